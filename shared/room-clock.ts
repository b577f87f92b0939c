// The room's clock as a member estimates it, the way of NTP (RFC 5905 §8): of several exchanges the one with the
// shortest round trip says most. Pure.

export type ClockSample = {
  /** By the member's clock. */
  sentMs: number;
  receivedMs: number;
  /** By the room's: when the message came, and when its answer went. */
  roomReceivedMs: number;
  roomSentMs: number;
};

const KEPT_SAMPLES = 16;
/** Quartz runs apart by up to 100 ms in this time. */
const SAMPLE_LIFE_MS = 10 * 60_000;

export class RoomClock {
  readonly #samples: { offsetMs: number; roundTripMs: number; atMs: number }[] = [];

  add({ sentMs, receivedMs, roomReceivedMs, roomSentMs }: ClockSample): void {
    const roundTripMs = receivedMs - sentMs - (roomSentMs - roomReceivedMs);
    const offsetMs = (roomReceivedMs - sentMs + (roomSentMs - receivedMs)) / 2;
    this.#samples.push({ offsetMs, roundTripMs, atMs: receivedMs });
    if (this.#samples.length > KEPT_SAMPLES) this.#samples.shift();
  }

  /** What to add to the member's clock; undefined before the first exchange. */
  offsetMs(nowMs: number): number | undefined {
    return this.#best(nowMs)?.offsetMs;
  }

  /** The estimate is off by half of it at most. */
  roundTripMs(nowMs: number): number | undefined {
    return this.#best(nowMs)?.roundTripMs;
  }

  #best(nowMs: number) {
    const last = this.#samples.at(-1);
    const fresh = this.#samples.filter(({ atMs }) => atMs + SAMPLE_LIFE_MS > nowMs);
    return fresh.length === 0 ? last : fresh.reduce((a, b) => (b.roundTripMs < a.roundTripMs ? b : a));
  }
}

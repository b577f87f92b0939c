import { describe, expect, it } from 'vitest';
import { RoomClock } from '../../shared/room-clock.ts';
import { follow } from '../../shared/room-follow.ts';
import { changed, positionAt, stateAtStart } from '../../shared/room-line.ts';
import type { RoomState } from '../../shared/room-state.ts';
import { randomOf } from '../support/random.ts';

describe("the room's clock", () => {
  it('is what the exchange with the shortest round trip says', () => {
    const clock = new RoomClock();
    expect(clock.offsetMs(0)).toBeUndefined();
    // The room is 5000 ms ahead; the way there takes 80 ms, the way back 10.
    clock.add({ sentMs: 1000, roomReceivedMs: 6080, roomSentMs: 6080, receivedMs: 1090 });
    expect(clock.offsetMs(1090)).toBe(5035);
    clock.add({ sentMs: 2000, roomReceivedMs: 7004, roomSentMs: 7006, receivedMs: 2012 });
    expect([clock.offsetMs(2012), clock.roundTripMs(2012)]).toEqual([4999, 10]);
    clock.add({ sentMs: 3000, roomReceivedMs: 8200, roomSentMs: 8200, receivedMs: 3300 });
    expect(clock.offsetMs(3300)).toBe(4999);
  });

  it('lets go of what was said long ago, since clocks run apart', () => {
    const clock = new RoomClock();
    clock.add({ sentMs: 0, roomReceivedMs: 100, roomSentMs: 100, receivedMs: 2 });
    const later = 11 * 60_000;
    clock.add({
      sentMs: later,
      roomReceivedMs: later + 150,
      roomSentMs: later + 150,
      receivedMs: later + 40,
    });
    expect(clock.offsetMs(later + 40)).toBe(130);
  });
});

describe("the room's line in time", () => {
  const playing: RoomState = { positionSeconds: 10, atServerMs: 1000, rate: 2, paused: false, revision: 4 };

  it('runs at its rate, stands while paused, and stops at the end', () => {
    expect(positionAt(playing, 4000)).toBe(16);
    expect(positionAt({ ...playing, paused: true }, 4000)).toBe(10);
    expect(positionAt(playing, 60_000, 90)).toBe(90);
    expect(positionAt(playing, 0)).toBe(10);
  });

  it('goes on without a jump when the rate changes', () => {
    const faster = changed(playing, { type: 'rate', rate: 0.5 }, 3000, 100);
    expect(faster).toEqual({ positionSeconds: 14, atServerMs: 3000, rate: 0.5, paused: false, revision: 5 });
  });

  it('keeps pausing and playing apart from seeking', () => {
    const start = stateAtStart(0);
    const sought = changed(start, { type: 'seek', positionSeconds: 30 }, 10, 100);
    expect(sought).toMatchObject({ positionSeconds: 30, paused: true, revision: 1 });
    const played = changed(sought, { type: 'play' }, 20, 100);
    const moved = changed(played, { type: 'seek', positionSeconds: 500 }, 30, 100);
    expect(moved).toMatchObject({ positionSeconds: 100, paused: false, revision: 3 });
    expect(changed(played, { type: 'pause' }, 2020, 100)).toMatchObject({
      positionSeconds: 32,
      paused: true,
    });
  });
});

describe('following the room', () => {
  const at = (drift: number, rate = 1) =>
    follow({ targetSeconds: 100, currentSeconds: 100 + drift, rate, seekSeconds: 0.3 });

  it.each([
    [0.01, 1],
    [-0.014, 1],
    [0.04, 0.98],
    [-0.04, 1.02],
    [0.1, 0.95],
    [-0.1, 1.05],
    [0.9, 0.95],
    [-0.9, 1.05],
  ])('plays at %d s of drift by %d', (drift, playbackRate) => {
    expect(at(drift)).toEqual({ playbackRate });
    expect(at(drift, 2).playbackRate).toBeCloseTo(playbackRate * 2, 6);
  });

  it.each([1.01, -1.01, 40, -3000])('jumps at %d s, as far ahead as the jump takes', (drift) => {
    expect(at(drift)).toEqual({ playbackRate: 1, seekTo: 100.3 });
  });

  it('comes to rest within 20 ms from any drift, however uneven the looks', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = randomOf(seed);
      let drift = random() * 2 - 1;
      for (let look = 0; look < 200; look++) {
        // Media clocks tell the time to a few milliseconds.
        const { playbackRate } = at(drift + (random() - 0.5) * 0.006);
        drift += (playbackRate - 1) * (0.1 + random() * 0.4);
      }
      expect(Math.abs(drift)).toBeLessThan(0.02);
    }
  });
});

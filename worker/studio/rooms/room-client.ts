// A member's connection to a room: tickets, heartbeat, the room's clock, and coming back when the line breaks.
import type {
  Room,
  RoomCommand,
  RoomMember,
  RoomMessage,
  RoomTicket,
  RoomTicketRequest,
} from '../../../shared/room-api.ts';
import { RoomClock } from '../../../shared/room-clock.ts';
import { HEARTBEAT, HEARTBEAT_SECONDS } from '../../../shared/room-heartbeat.ts';
import { positionAt } from '../../../shared/room-line.ts';
import type { RoomState } from '../../../shared/room-state.ts';
import { api, asFailure } from '../api.ts';

/** Everything a page shows of a room. `status` is of the connection. */
export type RoomSight = {
  status: 'connecting' | 'open' | 'broken' | 'ended';
  /** Why it ended, or what the room refused last. */
  sentence?: string;
  room?: Room;
  memberId?: string;
  members: RoomMember[];
  state?: RoomState;
};

export type Entrant = {
  name: string;
  /** Of who was here before. */
  resumeKey?: string | undefined;
  /** Of who has just created the room. */
  ticket?: RoomTicket | undefined;
};

const FIRST_SYNCS = 6;
const FIRST_SYNC_MS = 200;
const SYNC_MS = 30_000;
const SEEN_EVERY = 16;
const RETRY_MS = [500, 1000, 2000, 5000, 10_000];
/** Nothing comes back from these: closed, idle, replaced, gone. */
const FINAL_CODES = new Set([4404, 4409, 4410]);

export class RoomClient {
  readonly #id: string;
  readonly #onChange: (sight: RoomSight) => void;
  readonly #onResumeKey: (key: string) => void;
  readonly #clock = new RoomClock();
  #request: RoomTicketRequest;
  #sight: RoomSight = { status: 'connecting', members: [] };
  #socket: WebSocket | undefined;
  #timers: ReturnType<typeof setTimeout>[] = [];
  #seen = 0;
  #told = 0;
  #failures = 0;
  #isStopped = false;

  constructor(
    id: string,
    { name, resumeKey, ticket }: Entrant,
    onChange: (sight: RoomSight) => void,
    onResumeKey: (key: string) => void,
  ) {
    this.#id = id;
    this.#request = { ...(name ? { name } : {}), ...(resumeKey === undefined ? {} : { resumeKey }) };
    this.#onChange = onChange;
    this.#onResumeKey = onResumeKey;
    void this.#connect(ticket);
  }

  get sight(): RoomSight {
    return this.#sight;
  }

  /** Where the room's film is now, once the room's clock is known. */
  targetSeconds(): number | undefined {
    const { state } = this.#sight;
    const offsetMs = this.#clock.offsetMs(nowMs());
    if (!state || offsetMs === undefined) return undefined;
    return positionAt(state, nowMs() + offsetMs);
  }

  roundTripMs(): number | undefined {
    return this.#clock.roundTripMs(nowMs());
  }

  say(command: RoomCommand): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(command));
  }

  leave(): void {
    this.#isStopped = true;
    this.#clearTimers();
    this.#socket?.close(1000);
  }

  async #connect(first?: RoomTicket): Promise<void> {
    const id = encodeURIComponent(this.#id);
    try {
      const issued = first ?? (await api<RoomTicket>('POST', `/v1/rooms/${id}/tickets`, this.#request));
      if (this.#isStopped) return;
      const url = new URL(`/v1/rooms/${id}?ticket=${issued.ticket}`, location.href);
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
      this.#open(new WebSocket(url));
    } catch (error) {
      const { status, detail, isPassing } = asFailure(error);
      if (isPassing || status === 0) this.#retry();
      else this.#show({ status: 'ended', sentence: detail });
    }
  }

  #open(socket: WebSocket): void {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string' && data.startsWith('{')) this.#hear(JSON.parse(data) as RoomMessage);
    };
    socket.onclose = ({ code }) => {
      this.#clearTimers();
      if (this.#isStopped) return;
      if (FINAL_CODES.has(code)) this.#show({ status: 'ended', sentence: endOf(code) });
      else this.#retry();
    };
  }

  #hear(message: RoomMessage): void {
    if ('seq' in message) {
      this.#seen = message.seq;
      if (this.#seen - this.#told >= SEEN_EVERY) this.say({ type: 'seen', seen: this.#acknowledge() });
    }
    switch (message.type) {
      case 'welcome': {
        const { room, memberId, members, state, resumeKey } = message;
        this.#request = { ...this.#request, resumeKey };
        this.#onResumeKey(resumeKey);
        this.#failures = 0;
        this.#told = 0;
        this.#show({ status: 'open', room, memberId, members, state });
        this.#keepTime();
        break;
      }
      case 'state':
        // News of a line that broke may come late.
        if (message.state.revision >= (this.#sight.state?.revision ?? 0))
          this.#show({ state: message.state });
        break;
      case 'room':
        this.#show({ room: message.room });
        break;
      case 'joined':
      case 'member': {
        const others = this.#sight.members.filter(({ id }) => id !== message.member.id);
        this.#show({ members: [...others, message.member] });
        break;
      }
      case 'left':
        this.#show({ members: this.#sight.members.filter(({ id }) => id !== message.memberId) });
        break;
      case 'sync': {
        const { clientMs, receivedMs, sentMs } = message;
        const sample = { sentMs: clientMs, receivedMs: nowMs() };
        this.#clock.add({ ...sample, roomReceivedMs: receivedMs, roomSentMs: sentMs });
        break;
      }
      case 'error':
        this.#show({ sentence: message.detail, ...(message.state && { state: message.state }) });
    }
  }

  #keepTime(): void {
    const sync = () => this.say({ type: 'sync', clientMs: nowMs(), seen: this.#acknowledge() });
    this.#clearTimers();
    sync();
    for (let each = 1; each < FIRST_SYNCS; each++) this.#timers.push(setTimeout(sync, each * FIRST_SYNC_MS));
    const resync = () => {
      sync();
      // What was lost on the way is told again.
      const { state } = this.#sight;
      if (state) this.say({ type: 'resync', revision: state.revision });
    };
    this.#timers.push(setInterval(resync, SYNC_MS));
    const beat = () => {
      if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(HEARTBEAT);
    };
    this.#timers.push(setInterval(beat, HEARTBEAT_SECONDS * 1000));
  }

  #acknowledge(): number {
    this.#told = this.#seen;
    return this.#seen;
  }

  #retry(): void {
    this.#show({ status: 'broken' });
    const waitMs = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)]!;
    this.#failures += 1;
    this.#timers.push(setTimeout(() => void this.#connect(), waitMs));
  }

  #show(part: Partial<RoomSight>): void {
    this.#sight = { ...this.#sight, ...part };
    this.#onChange(this.#sight);
  }

  #clearTimers(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }
}

/** A clock that nobody sets back. */
function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

function endOf(code: number): string {
  if (code === 4409) return 'You are in this room in another tab.';
  return 'This room is closed.';
}

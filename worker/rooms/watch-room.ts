// One room: the people who watch a video together, and the one line in time they follow. It sleeps between messages;
// what it knows lies in its storage and on its sockets.
import { DurableObject } from 'cloudflare:workers';
import { AppError, type ErrorCode } from '../../shared/errors.ts';
import { createLog, errorFields } from '../../shared/log.ts';
import type { RoomCommand, RoomNews, RoomTicketRequest, RoomView } from '../../shared/room-api.ts';
import { HEARTBEAT } from '../../shared/room-heartbeat.ts';
import { stateAtStart } from '../../shared/room-line.ts';
import type { Env } from '../env.ts';
import { answerGoodbye, CLOSE_INTERNAL, CLOSE_NORMAL, closeFor } from './close-code.ts';
import {
  type Attachment,
  amend,
  attachmentOf,
  type Identity,
  memberOf,
  newAttachment,
  tell,
} from './member-socket.ts';
import { type Outcome, perform } from './perform.ts';
import { readMessage, refuse } from './read-message.ts';
import {
  issueTicket,
  knownMember,
  publicRoom,
  randomKey,
  readRoom,
  redeemTicket,
  rememberMember,
  type StoredRoom,
  writeRoom,
} from './room-store.ts';
import { nextVisitMs, overdue, SILENT_MS } from './room-times.ts';

/** The header in which the Worker hands a visitor's ticket on. */
export const TICKET_HEADER = 'x-reelay-ticket';

const MAX_CONNECTIONS_PER_CALLER = 8;

export type NewRoom = Pick<
  StoredRoom,
  'id' | 'ownerId' | 'videoId' | 'durationSeconds' | 'control' | 'maxMembers'
>;
/** Errors lose their class on their way out of an object. */
export type Refusal = { code: ErrorCode; detail?: string };
export type TicketGrant = { ticket: string; expiresAtMs: number };

export class WatchRoom extends DurableObject<Env> {
  #room: StoredRoom | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    // Answered by the platform without waking the room.
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(HEARTBEAT, 'pong'));
    this.#room = readRoom(ctx.storage.kv);
  }

  /** Opens the room for its creator, who is its host. Asked again for the same room, it gives another ticket. */
  async create(room: NewRoom, caller: string, name: string): Promise<TicketGrant | Refusal> {
    const nowMs = Date.now();
    const known = this.#room;
    const memberId = known?.creatorId ?? newMemberId();
    const creator: Identity = { memberId, name, caller, resumeKey: randomKey() };
    if (!known) {
      this.#keep({
        ...{ ...room, createdAtMs: nowMs, state: stateAtStart(nowMs), creatorId: memberId, hostId: memberId },
        ...{ hostAwayMs: nowMs, emptyMs: nowMs },
      });
      await this.#schedule();
    }
    return issueTicket(this.ctx.storage.kv, creator, nowMs) ?? { code: 'rate_limited' };
  }

  /** A one-use pass for a connection, to a new member or one who comes back. */
  issueTicket(caller: string, { name = 'Guest', resumeKey }: RoomTicketRequest): TicketGrant | Refusal {
    const { kv } = this.ctx.storage;
    if (!this.#room) return { code: 'not_found' };
    const known = resumeKey === undefined ? undefined : knownMember(kv, resumeKey);
    const identity = known ?? { memberId: newMemberId(), name, caller, resumeKey: randomKey() };
    if (this.#isFullFor(identity.memberId)) return this.#fullRefusal();
    return issueTicket(kv, identity, Date.now()) ?? { code: 'rate_limited' };
  }

  /** The room as its owner sees it. */
  describe(): (RoomView & { ownerId: string }) | undefined {
    const room = this.#room;
    if (!room) return undefined;
    return {
      ...publicRoom(room),
      ...{ ownerId: room.ownerId, state: room.state, members: this.#members() },
      createdAt: new Date(room.createdAtMs).toISOString(),
    };
  }

  /** Sends everybody away and forgets the room. */
  async close(code: 'room_closed' | 'room_idle'): Promise<void> {
    for (const socket of this.#present()) {
      amend(socket, { hasLeft: true });
      closeFor(socket, new AppError(code));
    }
    this.#room = undefined;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }

  /** A visitor with a ticket. */
  override async fetch(request: Request): Promise<Response> {
    const nowMs = Date.now();
    const ticket = request.headers.get(TICKET_HEADER) ?? '';
    const identity = redeemTicket(this.ctx.storage.kv, ticket, nowMs);
    if (!this.#room || !identity) return refused({ code: 'ticket_invalid' });
    if (this.#isFullFor(identity.memberId)) return refused(this.#fullRefusal());
    if (this.#connectionsOf(identity) >= MAX_CONNECTIONS_PER_CALLER) {
      return refused({
        code: 'too_many_connections',
        detail: `At most ${MAX_CONNECTIONS_PER_CALLER} connections per caller may be in one room.`,
      });
    }
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    await this.#welcome(server, identity, nowMs);
    return new Response(null, { status: 101, webSocket: client });
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    const room = this.#room;
    if (!room || attachmentOf(socket).hasLeft) return;
    const command = readMessage(socket, message, Date.now(), room.state);
    if (command === 'leave') return await this.#leave(socket);
    if (!command) return;
    await this.#perform(socket, command, room);
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    const isGoodbye = code === CLOSE_NORMAL;
    await this.#leave(socket, isGoodbye);
    answerGoodbye(socket, code);
  }

  override async webSocketError(socket: WebSocket, error: unknown): Promise<void> {
    createLog({ roomId: this.#room?.id }).warn('room.socket_failed', errorFields(error));
    socket.close(CLOSE_INTERNAL);
    await this.#leave(socket);
  }

  /** Sees to those who went silent, a host who stays away, and a room that is done with. */
  override async alarm(): Promise<void> {
    const nowMs = Date.now();
    for (const socket of this.#present()) {
      if (this.#heardMs(socket) + SILENT_MS > nowMs) continue;
      closeFor(socket, new AppError('connection_silent'));
      await this.#leave(socket);
    }
    const room = this.#room;
    if (!room) return;
    const { host, empty, idle } = overdue(room, nowMs);
    if (empty || idle) return await this.close('room_idle');
    if (host) await this.#handOver();
    await this.#schedule();
  }

  async #perform(socket: WebSocket, command: RoomCommand, room: StoredRoom): Promise<void> {
    const nowMs = Date.now();
    let outcome: Outcome;
    try {
      outcome = perform(socket, command, room, this.#members(), nowMs);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const id = 'id' in command ? command.id : undefined;
      if (refuse(socket, error, room.state, nowMs, id) === 'leave') await this.#leave(socket);
      return;
    }
    if (outcome.next !== room) this.#keep(outcome.next);
    for (const { news, except } of outcome.news) await this.#broadcast(news, except);
    if (outcome.next !== room) await this.#schedule();
  }

  async #welcome(socket: WebSocket, identity: Identity, nowMs: number): Promise<void> {
    await this.#replace(identity.memberId);
    const others = this.#present();
    socket.serializeAttachment(newAttachment(identity, nowMs));
    rememberMember(this.ctx.storage.kv, identity, nowMs);
    const room = this.#room!;
    const isHost = room.hostId === identity.memberId;
    // The place of a host who has long been away is taken by the first who comes.
    const takesOver = !isHost && others.length === 0 && overdue(room, nowMs).host;
    this.#keep({
      ...{ ...room, emptyMs: undefined, hostId: takesOver ? identity.memberId : room.hostId },
      hostAwayMs: isHost || takesOver ? undefined : room.hostAwayMs,
    });
    const { memberId, resumeKey } = identity;
    const { state } = room;
    const known = { room: publicRoom(this.#room!), members: this.#members(), state };
    tell(socket, { type: 'welcome', ...known, memberId, resumeKey, serverMs: Date.now() });
    await this.#broadcast({ type: 'joined', member: memberOf(attachmentOf(socket)) }, memberId);
    await this.#schedule();
  }

  /** A member who comes back may have left a connection behind that nobody has noticed the end of. */
  async #replace(memberId: string): Promise<void> {
    for (const socket of this.#present()) {
      if (attachmentOf(socket).memberId !== memberId) continue;
      amend(socket, { hasLeft: true });
      closeFor(socket, new AppError('room_member_replaced'));
    }
  }

  /** @param isGoodbye they said so; a host who did not may be back in a moment */
  async #leave(socket: WebSocket, isGoodbye = false): Promise<void> {
    const { memberId, hasLeft } = attachmentOf(socket);
    if (hasLeft || !this.#room) return;
    amend(socket, { hasLeft: true });
    const nowMs = Date.now();
    const present = this.#present();
    const isHost = this.#room.hostId === memberId;
    this.#keep({
      ...this.#room,
      emptyMs: present.length === 0 ? nowMs : undefined,
      hostAwayMs: isHost ? nowMs : this.#room.hostAwayMs,
    });
    await this.#broadcast({ type: 'left', memberId });
    if (isHost && isGoodbye) await this.#handOver();
    await this.#schedule();
  }

  /** Whoever is here longest becomes host. */
  async #handOver(): Promise<void> {
    const [first] = this.#attachments().sort((a, b) => a.joinedMs - b.joinedMs);
    if (!first || !this.#room) return;
    const room = this.#keep({ ...this.#room, hostId: first.memberId, hostAwayMs: undefined });
    await this.#broadcast({ type: 'room', room: publicRoom(room) });
  }

  async #broadcast(news: RoomNews, exceptMemberId?: string): Promise<void> {
    for (const socket of this.#present()) {
      if (attachmentOf(socket).memberId === exceptMemberId || tell(socket, news)) continue;
      closeFor(socket, new AppError('connection_too_slow'));
      await this.#leave(socket);
    }
  }

  #keep(room: StoredRoom): StoredRoom {
    this.#room = writeRoom(this.ctx.storage.kv, room);
    return room;
  }

  async #schedule(): Promise<void> {
    if (!this.#room) return;
    const nextMs = nextVisitMs(this.#room, this.#present().length > 0, Date.now());
    // Never later than before: a busy room would else put off looking after those who went silent.
    const setMs = await this.ctx.storage.getAlarm();
    if (setMs === null || nextMs < setMs) await this.ctx.storage.setAlarm(nextMs);
  }

  #heardMs(socket: WebSocket): number {
    const beat = this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0;
    return Math.max(beat, attachmentOf(socket).heardMs);
  }

  #present(): WebSocket[] {
    return this.ctx
      .getWebSockets()
      .filter((socket) => socket.deserializeAttachment() !== null && !attachmentOf(socket).hasLeft);
  }

  #attachments(): Attachment[] {
    return this.#present().map(attachmentOf);
  }

  #members() {
    return this.#attachments().map(memberOf);
  }

  #isFullFor(memberId: string): boolean {
    const others = this.#attachments().filter((other) => other.memberId !== memberId);
    return others.length >= (this.#room?.maxMembers ?? 0);
  }

  #fullRefusal(): Refusal {
    return { code: 'room_full', detail: `This room has ${this.#room?.maxMembers} places.` };
  }

  #connectionsOf({ caller, memberId }: Identity): number {
    return this.#attachments().filter((other) => other.caller === caller && other.memberId !== memberId)
      .length;
  }
}

function newMemberId(): string {
  return crypto.randomUUID().slice(0, 8);
}

function refused(refusal: Refusal): Response {
  return Response.json(refusal, { status: new AppError(refusal.code).status });
}

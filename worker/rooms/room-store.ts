// What a room keeps in its object's storage: itself, tickets that are not used yet, and members who may come back.
import type { Room, RoomControl } from '../../shared/room-api.ts';
import type { RoomState } from '../../shared/room-state.ts';
import { toBase64Url } from '../../shared/sign.ts';
import type { Identity } from './member-socket.ts';

const TICKET_MS = 60_000;
const MAX_OPEN_TICKETS = 500;
const MAX_KNOWN_MEMBERS = 500;

const ROOM = 'room';
const TICKET = 'ticket:';
const MEMBER = 'member:';

export type StoredRoom = {
  id: string;
  ownerId: string;
  videoId: string;
  durationSeconds: number;
  control: RoomControl;
  maxMembers: number;
  createdAtMs: number;
  state: RoomState;
  creatorId: string;
  /** Who commands; from the beginning on the creator, present or not. */
  hostId: string;
  /** Since when the host is not there. */
  hostAwayMs: number | undefined;
  /** Since when nobody is there. */
  emptyMs: number | undefined;
};

type IssuedTicket = { identity: Identity; expiresAtMs: number };
type KnownMember = Identity & { atMs: number };

type Kv = DurableObjectStorage['kv'];

export function readRoom(kv: Kv): StoredRoom | undefined {
  return kv.get<StoredRoom>(ROOM);
}

export function writeRoom(kv: Kv, room: StoredRoom): StoredRoom {
  kv.put(ROOM, room);
  return room;
}

export function publicRoom({ id, videoId, control, maxMembers, hostId }: StoredRoom): Room {
  return { id, videoId, control, maxMembers, hostId };
}

/** @returns undefined where too many are open. */
export function issueTicket(
  kv: Kv,
  identity: Identity,
  nowMs: number,
): { ticket: string; expiresAtMs: number } | undefined {
  let open = 0;
  for (const [key, { expiresAtMs }] of kv.list<IssuedTicket>({ prefix: TICKET })) {
    if (expiresAtMs <= nowMs) kv.delete(key);
    else open += 1;
  }
  if (open >= MAX_OPEN_TICKETS) return undefined;
  const ticket = randomKey();
  const expiresAtMs = nowMs + TICKET_MS;
  kv.put(TICKET + ticket, { identity, expiresAtMs } satisfies IssuedTicket);
  return { ticket, expiresAtMs };
}

/** Whose ticket it was; undefined for one that is unknown, used or expired. */
export function redeemTicket(kv: Kv, ticket: string, nowMs: number): Identity | undefined {
  const key = TICKET + ticket;
  const issued = kv.get<IssuedTicket>(key);
  kv.delete(key);
  return issued && issued.expiresAtMs > nowMs ? issued.identity : undefined;
}

/** Beyond a bound those who were here longest ago are forgotten. */
export function rememberMember(kv: Kv, identity: Identity, nowMs: number): void {
  kv.put(MEMBER + identity.resumeKey, { ...identity, atMs: nowMs } satisfies KnownMember);
  const known = [...kv.list<KnownMember>({ prefix: MEMBER })];
  const oldest = known.sort(([, a], [, b]) => a.atMs - b.atMs).slice(0, -MAX_KNOWN_MEMBERS);
  for (const [key] of oldest) kv.delete(key);
}

export function knownMember(kv: Kv, resumeKey: string): Identity | undefined {
  return kv.get<KnownMember>(MEMBER + resumeKey);
}

export function randomKey(): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(32)));
}

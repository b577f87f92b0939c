// What a room knows of one connection. It lives on the socket, so that it outlasts the room's sleep.
import type { RoomMember, RoomMessage, RoomNews } from '../../shared/room-api.ts';
import { fullBucket, type Rate, type TokenBucket } from './token-bucket.ts';

/** A member may say this much; a page says about one thing a second. */
export const MESSAGE_RATE: Rate = { burst: 40, perSecond: 10 };
/** Messages that are refused, for whatever reason, before the member is. */
export const STRIKE_RATE: Rate = { burst: 10, perSecond: 1 / 6 };
/** News that a member has not acknowledged: the platform tells nobody how much a socket holds back. */
export const MAX_UNSEEN = 128;

/** At most 2 KB once serialized, as the platform demands. */
export type Attachment = {
  memberId: string;
  name: string;
  caller: string;
  resumeKey: string;
  joinedMs: number;
  /** When it was last heard of, except for heartbeats: those the platform answers and remembers. */
  heardMs: number;
  sent: number;
  seen: number;
  messages: TokenBucket;
  strikes: TokenBucket;
  driftMs?: number | undefined;
  isBuffering: boolean;
  /** The member is told to be gone; the socket may still be closing. */
  hasLeft: boolean;
};

export type Identity = Pick<Attachment, 'memberId' | 'name' | 'caller' | 'resumeKey'>;

export function newAttachment(identity: Identity, nowMs: number): Attachment {
  const { memberId, name, caller, resumeKey } = identity;
  return {
    ...{ memberId, name, caller, resumeKey, joinedMs: nowMs, heardMs: nowMs, sent: 0, seen: 0 },
    messages: fullBucket(MESSAGE_RATE, nowMs),
    strikes: fullBucket(STRIKE_RATE, nowMs),
    isBuffering: false,
    hasLeft: false,
  };
}

export function attachmentOf(socket: WebSocket): Attachment {
  return socket.deserializeAttachment() as Attachment;
}

export function amend(socket: WebSocket, part: Partial<Attachment>): Attachment {
  const attachment = { ...attachmentOf(socket), ...part };
  socket.serializeAttachment(attachment);
  return attachment;
}

export function memberOf({ memberId, name, driftMs, isBuffering }: Attachment): RoomMember {
  return { id: memberId, name, isBuffering, ...(driftMs === undefined ? {} : { driftMs }) };
}

/** Sends news with the number that the member acknowledges. @returns false where it is too far behind. */
export function tell(socket: WebSocket, news: RoomNews): boolean {
  if (socket.readyState !== WebSocket.OPEN) return true;
  const { sent, seen } = attachmentOf(socket);
  if (sent - seen >= MAX_UNSEEN) return false;
  amend(socket, { sent: sent + 1 });
  answer(socket, { ...news, seq: sent + 1 });
  return true;
}

export function answer(socket: WebSocket, message: RoomMessage): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

// What a member's command does: to the room, and as news to its members.
import { AppError } from '../../shared/errors.ts';
import type { RoomCommand, RoomMember, RoomNews } from '../../shared/room-api.ts';
import { changed } from '../../shared/room-line.ts';
import { amend, answer, attachmentOf, memberOf, tell } from './member-socket.ts';
import { publicRoom, type StoredRoom } from './room-store.ts';

export type News = { news: RoomNews; except?: string };
export type Outcome = { next: StoredRoom; news: News[] };

/** @throws AppError `room_control_refused`, `room_revision_stale`, `room_member_unknown` */
export function perform(
  socket: WebSocket,
  command: RoomCommand,
  room: StoredRoom,
  members: RoomMember[],
  nowMs: number,
): Outcome {
  const { memberId } = attachmentOf(socket);
  const nothing: Outcome = { next: room, news: [] };
  switch (command.type) {
    case 'seen':
      return nothing;
    case 'sync':
      // The platform's clock stands still while a message is worked on: both times are that of its arrival.
      answer(socket, { type: 'sync', clientMs: command.clientMs, receivedMs: nowMs, sentMs: nowMs });
      return nothing;
    case 'resync': {
      const { state } = room;
      if (command.revision === state.revision) answer(socket, { type: 'current', revision: state.revision });
      else tell(socket, { type: 'state', state, by: memberId, cause: 'resync' });
      return nothing;
    }
    case 'report': {
      const { driftMs, isBuffering } = command;
      const member = memberOf(amend(socket, { driftMs, isBuffering }));
      return { next: room, news: [{ news: { type: 'member', member }, except: memberId }] };
    }
    case 'host':
      requireHost(room, memberId);
      if (!members.some(({ id }) => id === command.memberId)) throw new AppError('room_member_unknown');
      return ofRoom({ ...room, hostId: command.memberId, hostAwayMs: undefined });
    case 'control':
      requireHost(room, memberId);
      return ofRoom({ ...room, control: command.control });
    default: {
      if (room.control === 'host') requireHost(room, memberId);
      const { ifRevision, type } = command;
      if (ifRevision !== undefined && ifRevision !== room.state.revision) {
        throw new AppError('room_revision_stale');
      }
      const state = changed(room.state, command, nowMs, room.durationSeconds);
      const news: RoomNews = { type: 'state', state, by: memberId, cause: type };
      return { next: { ...room, state }, news: [{ news }] };
    }
  }
}

function requireHost(room: StoredRoom, memberId: string): void {
  if (room.hostId === memberId) return;
  throw new AppError('room_control_refused', { detail: 'The host of this room does that.' });
}

function ofRoom(next: StoredRoom): Outcome {
  return { next, news: [{ news: { type: 'room', room: publicRoom(next) } }] };
}

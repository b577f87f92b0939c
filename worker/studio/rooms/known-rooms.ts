// The rooms this browser has been in, and who it was there. Nobody else lists them: a room is found by its link.
import type { RoomTicket } from '../../../shared/room-api.ts';

export type KnownRoom = { id: string; videoId: string; title: string; atMs: number };

const ROOMS = 'reelay.rooms';
const NAME = 'reelay.room-name';
const MAX_ROOMS = 20;

export function knownRooms(): KnownRoom[] {
  try {
    const rooms: unknown = JSON.parse(localStorage.getItem(ROOMS) ?? '[]');
    return Array.isArray(rooms) ? (rooms as KnownRoom[]) : [];
  } catch {
    return []; // somebody else's entry
  }
}

export function rememberRoom(room: KnownRoom): void {
  const others = knownRooms().filter(({ id }) => id !== room.id);
  localStorage.setItem(ROOMS, JSON.stringify([room, ...others].slice(0, MAX_ROOMS)));
}

export function forgetRoom(id: string): void {
  localStorage.setItem(ROOMS, JSON.stringify(knownRooms().filter((room) => room.id !== id)));
}

export function myName(): string {
  return localStorage.getItem(NAME) ?? '';
}

export function setMyName(name: string): void {
  localStorage.setItem(NAME, name);
}

/** Of this tab alone: two tabs are two members. */
export function resumeKeyOf(roomId: string): string | undefined {
  return sessionStorage.getItem(`reelay.room.${roomId}`) ?? undefined;
}

export function keepResumeKey(roomId: string, key: string): void {
  sessionStorage.setItem(`reelay.room.${roomId}`, key);
}

/** The ticket of a room that was created a moment ago, on its way to the room's page. */
const fresh = new Map<string, RoomTicket>();

export function passTicket(ticket: RoomTicket): void {
  fresh.set(ticket.id, ticket);
}

export function takeTicket(roomId: string): RoomTicket | undefined {
  const ticket = fresh.get(roomId);
  fresh.delete(roomId);
  return ticket && Date.parse(ticket.expiresAt) > Date.now() ? ticket : undefined;
}

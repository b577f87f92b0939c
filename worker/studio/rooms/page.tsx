// Rooms: opening one and finding those of before; `#/rooms/:id` is the room itself.
import { lazy } from 'react';
import type { PageProps } from '../router.ts';
import { RoomList } from './room-list.tsx';
import './rooms.css';

// The player comes with the room.
const RoomPage = lazy(async () => ({ default: (await import('./room-page.tsx')).RoomPage }));

export function Page({ id, query }: PageProps) {
  return id === '' ? <RoomList videoId={query.get('video') ?? ''} /> : <RoomPage key={id} id={id} />;
}

// Watching together, and media over a WebSocket.
import { z } from 'zod';
import { RoomRequest, RoomTicket, RoomTicketRequest, RoomView } from '../room-api.ts';
import type { OperationTable } from './operation.ts';

const ENTERING = ['room_closed', 'room_full', 'room_idle', 'too_many_connections'] as const;

export const ROOM_OPERATIONS = {
  'POST /v1/rooms': {
    summary: 'Open a room in which a video is watched together',
    tag: 'Rooms',
    access: 'viewer',
    body: RoomRequest,
    answers: { 201: RoomTicket },
    errors: [...ENTERING, 'not_found', 'rate_limited', 'video_not_playable'],
    isIdempotent: true,
  },
  'GET /v1/rooms/{id}': {
    summary: 'See a room, or enter it by WebSocket',
    about:
      'With `Upgrade: websocket` the connection is a member of the room; a `ticket` stands for the bearer credential.',
    tag: 'Rooms',
    access: 'any-role',
    query: z.object({ ticket: z.string().optional() }),
    answers: { 101: null, 200: RoomView },
    errors: [...ENTERING, 'ticket_invalid', 'origin_not_allowed', 'room_member_replaced'],
  },
  'POST /v1/rooms/{id}/tickets': {
    summary: 'A one-use ticket to enter a room',
    tag: 'Rooms',
    access: 'any-role',
    body: RoomTicketRequest,
    isBodyOptional: true,
    answers: { 201: RoomTicket },
    errors: ENTERING,
    isIdempotent: true,
  },
  'DELETE /v1/rooms/{id}': {
    summary: 'Close a room',
    tag: 'Rooms',
    access: 'uploader',
    answers: { 204: null },
    errors: [],
  },
  'GET /p/{token}/stream': {
    summary: 'Media over a WebSocket',
    about: 'Messages of the client grant what may be sent; frames are fragments of fMP4.',
    tag: 'Playback',
    access: 'path-token',
    answers: { 101: null },
    errors: [
      'invalid_request',
      'playback_token_invalid',
      'playback_token_expired',
      'playback_token_elsewhere',
      'playback_session_revoked',
      'playback_outside_token',
      'stream_not_offered',
      'too_many_connections',
      'video_not_playable',
    ],
  },
} as const satisfies OperationTable;

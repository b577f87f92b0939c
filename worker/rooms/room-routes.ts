// Rooms over HTTP: opening one, being let in, seeing and closing it. Whoever may see a room's video may join.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { RoomRequest, type RoomTicket, RoomTicketRequest, type RoomView } from '../../shared/room-api.ts';
import type { Env } from '../env.ts';
import { fromAllowedOrigin } from '../http/allowed-origin.ts';
import { requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv, Caller } from '../http/context.ts';
import { holdsCreationRate } from '../http/creation-rate.ts';
import { idempotent, newId, repeatable } from '../http/idempotency.ts';
import { type PlayableVideo, videoOf } from '../playback/store.ts';
import { type Refusal, TICKET_HEADER, type TicketGrant, type WatchRoom } from './watch-room.ts';

const CREATOR_NAME = 'Host';

export function roomRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.post('/v1/rooms', requires('uploader', 'viewer'), holdsCreationRate, idempotent(enteredAgain), (c) =>
    openRoom(c, newId(c)),
  );

  app.get('/v1/rooms/:id', fromAllowedOrigin, async (c) => {
    const ticket = c.req.query('ticket');
    const isWebSocket = c.req.header('upgrade')?.toLowerCase() === 'websocket';
    if (isWebSocket) return await enter(c, ticket ?? (await ticketOf(c, {})).ticket);
    if (ticket !== undefined) {
      throw new AppError('invalid_request', { detail: 'A ticket opens a WebSocket and nothing else.' });
    }
    const { ownerId: _, ...view } = await ownRoom(c);
    return c.json(view satisfies RoomView);
  });

  app.post('/v1/rooms/:id/tickets', repeatable, async (c) =>
    c.json(await ticketOf(c, await jsonBody(c, RoomTicketRequest)), 201),
  );

  app.delete('/v1/rooms/:id', requires('uploader'), async (c) => {
    await ownRoom(c);
    await roomAt(c.env, idOf(c)).close('room_closed');
    return c.body(null, 204);
  });

  return app;
}

async function openRoom(c: Context<AppEnv>, id: string): Promise<Response> {
  const { videoId, name = CREATOR_NAME, ...choices } = await jsonBody(c, RoomRequest);
  const { caller } = c.var;
  const video = await videoFor(c, videoId);
  // Of what is still being made nobody knows where it ends.
  const durationSeconds = video.presentation?.durationSeconds ?? Number.MAX_SAFE_INTEGER;
  const room = { id, ownerId: caller.ownerId, videoId, durationSeconds, ...choices };
  const granted = orThrow(await roomAt(c.env, id).create(room, nameOf(caller), name));
  return c.json(ticketAnswer(id, videoId, granted), 201);
}

/** The same request once more: another ticket for the room's creator. */
async function enteredAgain(c: Context<AppEnv>, id: string): Promise<Response> {
  const room = await roomAt(c.env, id).describe();
  if (room?.ownerId !== c.var.caller.ownerId) throw noSuchRoom();
  return await openRoom(c, id);
}

async function ticketOf(c: Context<AppEnv>, request: RoomTicketRequest): Promise<RoomTicket> {
  const { id, videoId } = await ownRoom(c);
  await videoFor(c, videoId);
  const granted = orThrow(await roomAt(c.env, id).issueTicket(nameOf(c.var.caller), request));
  return ticketAnswer(id, videoId, granted);
}

async function enter(c: Context<AppEnv>, ticket: string): Promise<Response> {
  const id = idOf(c);
  if (!isRoomId(id)) throw new AppError('ticket_invalid');
  const answer = await roomAt(c.env, id).fetch('https://room/', {
    headers: { Upgrade: 'websocket', [TICKET_HEADER]: ticket },
  });
  // A response of our own, since the room's has headers that middleware could not add to.
  if (answer.webSocket) return new Response(null, { status: 101, webSocket: answer.webSocket });
  throw appErrorOf((await answer.json()) as Refusal);
}

/** @throws AppError not_found, for another owner's room and, to a link's guest, another video's too */
async function ownRoom(c: Context<AppEnv>): Promise<RoomView & { ownerId: string }> {
  const { ownerId, onlyVideoId } = c.var.caller;
  const id = idOf(c);
  const room = isRoomId(id) ? await roomAt(c.env, id).describe() : undefined;
  const isOutsideLink = onlyVideoId !== undefined && onlyVideoId !== room?.videoId;
  if (!room || room.ownerId !== ownerId || isOutsideLink) throw noSuchRoom();
  return room;
}

async function videoFor(c: Context<AppEnv>, videoId: string): Promise<PlayableVideo> {
  const video = await videoOf(c.env.DB, videoId, c.var.caller.ownerId);
  if (!video) throw new AppError('not_found', { detail: 'There is no such video.' });
  return video;
}

function roomAt(env: Env, id: string): DurableObjectStub<WatchRoom> {
  return env.WATCH_ROOMS.get(env.WATCH_ROOMS.idFromName(id));
}

function idOf(c: Context<AppEnv>): string {
  return c.req.param('id') ?? '';
}

/** What cannot be a room has no object either. */
function isRoomId(id: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
}

function ticketAnswer(id: string, videoId: string, { ticket, expiresAtMs }: TicketGrant): RoomTicket {
  return { id, ticket, videoId, expiresAt: new Date(expiresAtMs).toISOString() };
}

function orThrow(granted: TicketGrant | Refusal): TicketGrant {
  if ('code' in granted) throw appErrorOf(granted);
  return granted;
}

function appErrorOf({ code, detail }: Refusal): AppError {
  return new AppError(code, detail === undefined ? {} : { detail });
}

function noSuchRoom(): AppError {
  return new AppError('not_found', { detail: 'There is no such room.' });
}

/** Whose connections are counted together. */
function nameOf(caller: Caller): string {
  return `${caller.via}:${caller.subject ?? caller.ownerId}`;
}

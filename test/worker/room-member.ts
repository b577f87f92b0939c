// A member of a room as a page is one: tickets over HTTP, messages over a WebSocket, everything kept in order.
import { env, SELF } from 'cloudflare:test';
import { expect, vi } from 'vitest';
import type { RoomMessage, RoomTicket } from '../../shared/room-api.ts';
import type { WatchRoom } from '../../worker/rooms/watch-room.ts';
import { type Client, clientOf, ORIGIN } from './api-client.ts';
import { type PublishedVideo, publishVideo } from './playback-fixtures.ts';

export type World = { video: PublishedVideo; client: Client };

export type Member = {
  socket: WebSocket;
  messages: RoomMessage[];
  texts: string[];
  closes: { code: number; reason: string }[];
  say(command: object): void;
  /** The first message of the kind, from now on or before. */
  hears<Type extends RoomMessage['type']>(
    type: Type,
    part?: object,
  ): Promise<Extract<RoomMessage, { type: Type }>>;
};

/** A video and a client of its owner. */
export async function roomWorld(): Promise<World> {
  const video = await publishVideo();
  return { video, client: await clientOf('uploader', video.ownerId) };
}

export function createRoom({ client, video }: World, choices: object = {}): Promise<RoomTicket> {
  return client.json<RoomTicket>(201, 'POST', '/v1/rooms', { json: { videoId: video.id, ...choices } });
}

export function ticketFor({ client }: World, roomId: string, choices: object = {}): Promise<RoomTicket> {
  return client.json<RoomTicket>(201, 'POST', `/v1/rooms/${roomId}/tickets`, { json: choices });
}

export function knock(
  { id, ticket }: Pick<RoomTicket, 'id' | 'ticket'>,
  headers: object = {},
): Promise<Response> {
  return SELF.fetch(`${ORIGIN}/v1/rooms/${id}?ticket=${ticket}`, {
    headers: { Upgrade: 'websocket', ...headers },
  }) as unknown as Promise<Response>;
}

export async function enter(ticket: Pick<RoomTicket, 'id' | 'ticket'>): Promise<Member> {
  const response = await knock(ticket);
  expect(response.status).toBe(101);
  const socket = (response as unknown as { webSocket: WebSocket }).webSocket;
  const member: Member = {
    socket,
    messages: [],
    texts: [],
    closes: [],
    say: (command) => socket.send(JSON.stringify(command)),
    hears: async (type, part = {}) => {
      await vi.waitFor(
        () => expect(member.messages).toContainEqual(expect.objectContaining({ type, ...part })),
        {
          timeout: 20_000,
          interval: 5,
        },
      );
      const matching = expect.objectContaining({ type, ...part });
      return member.messages.find((message) => matching.asymmetricMatch(message)) as never;
    },
  };
  socket.addEventListener('message', ({ data }) => {
    const text = String(data);
    if (text.startsWith('{')) member.messages.push(JSON.parse(text));
    else member.texts.push(text);
  });
  socket.addEventListener('close', ({ code, reason }) => {
    member.closes.push({ code, reason });
  });
  socket.accept();
  await member.hears('welcome');
  return member;
}

/** One more member of a room. */
export async function join(world: World, roomId: string, choices: object = {}): Promise<Member> {
  return enter(await ticketFor(world, roomId, choices));
}

export function closed(member: Member, code: number, reason?: string): Promise<void> {
  const expected = reason === undefined ? { code } : { code, reason };
  return vi.waitFor(() => expect(member.closes).toContainEqual(expect.objectContaining(expected)), {
    timeout: 20_000,
    interval: 5,
  });
}

export function roomObject(id: string): DurableObjectStub<WatchRoom> {
  return env.WATCH_ROOMS.get(env.WATCH_ROOMS.idFromName(id));
}

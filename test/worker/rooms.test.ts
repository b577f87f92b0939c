import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, test, vi } from 'vitest';
import type { RoomView } from '../../shared/room-api.ts';
import { clientOf, clientWith, codeOf } from './api-client.ts';
import { publishVideo } from './playback-fixtures.ts';
import {
  closed,
  createRoom,
  enter,
  join,
  knock,
  type Member,
  roomObject,
  roomWorld,
  ticketFor,
} from './room-member.ts';

/** The stored room with some of it replaced. */
function setRoom(id: string, part: object): Promise<void> {
  return runInDurableObject(roomObject(id), (_, state) => {
    state.storage.kv.put('room', { ...state.storage.kv.get<object>('room'), ...part });
  }).then(() => evictDurableObject(roomObject(id)));
}

async function hosted(choices: object = {}) {
  const world = await roomWorld();
  const ticket = await createRoom(world, choices);
  const host = await enter(ticket);
  const guest = await join(world, ticket.id, { name: 'Ada' });
  const idOf = async (member: Member) => (await member.hears('welcome')).memberId;
  return { world, id: ticket.id, host, guest, hostId: await idOf(host), guestId: await idOf(guest) };
}

describe('opening a room', () => {
  test('gives its id and a ticket that lets its creator in as host, once', async () => {
    const world = await roomWorld();
    const ticket = await createRoom(world, { control: 'open', name: 'Grace' });
    expect(ticket).toMatchObject({ videoId: world.video.id, expiresAt: expect.any(String) });
    const host = await enter(ticket);
    const { room, memberId, state, members } = await host.hears('welcome');
    expect(room).toMatchObject({ id: ticket.id, control: 'open', hostId: memberId, videoId: world.video.id });
    expect(state).toMatchObject({ positionSeconds: 0, rate: 1, paused: true, revision: 0 });
    expect(members).toEqual([{ id: memberId, name: 'Grace', isBuffering: false }]);
    expect(await codeOf(await knock(ticket))).toBe('ticket_invalid');
  });

  test.each([
    [{ control: 'nobody' }, 'invalid_request'],
    [{ maxMembers: 0 }, 'invalid_request'],
    [{ maxMembers: 101 }, 'invalid_request'],
    [{ name: 'a\u202eb' }, 'invalid_request'],
    [{ extra: 1 }, 'invalid_request'],
    [{ videoId: 'no-such-video' }, 'not_found'],
  ])('is refused with %j: %s', async (choices, code) => {
    const { client, video } = await roomWorld();
    expect(await client.code('POST', '/v1/rooms', { json: { videoId: video.id, ...choices } })).toBe(code);
    await createRoom({ client, video }, { control: 'host', maxMembers: 100, name: 'ab' });
  });

  test('twice with one Idempotency-Key is one room, and a ticket each', async () => {
    const world = await roomWorld();
    const request = {
      json: { videoId: world.video.id },
      headers: { 'Idempotency-Key': crypto.randomUUID() },
    };
    const first = await world.client.json<{ id: string; ticket: string }>(201, 'POST', '/v1/rooms', request);
    const second = await world.client.json<{ id: string; ticket: string }>(201, 'POST', '/v1/rooms', request);
    expect(second.id).toBe(first.id);
    expect(second.ticket).not.toBe(first.ticket);
    const [one, other] = [await enter(first), await enter(second)];
    expect((await one.hears('welcome')).memberId).toBe((await other.hears('welcome')).memberId);
    await closed(one, 4409, 'room_member_replaced');
  });
});

describe('who is let in', () => {
  test("the owner's callers and guests of the video's link, and nobody else", async () => {
    const world = await roomWorld();
    const { id } = await createRoom(world);
    const path = `/v1/rooms/${id}`;
    const stranger = await clientOf('admin');
    expect(await stranger.code('POST', `${path}/tickets`)).toBe('not_found');
    expect(await stranger.code('GET', path)).toBe('not_found');
    expect(await stranger.code('DELETE', path)).toBe('not_found');
    const guestOf = async (videoId: string) => {
      const link = await world.client.json<{ url: string }>(201, 'POST', `/v1/videos/${videoId}/watch-link`);
      return clientWith(link.url.split('#t=')[1]!);
    };
    const guest = await guestOf(world.video.id);
    await enter(await guest.json(201, 'POST', `${path}/tickets`));
    expect(await guest.code('GET', path)).toBe('forbidden');
    expect(await guest.code('POST', '/v1/rooms', { json: { videoId: world.video.id } })).toBe('forbidden');
  });

  test('a guest of another video of the same owner is not', async () => {
    const world = await roomWorld();
    const other = await publishVideo();
    const { id } = await createRoom(world);
    const owner = await clientOf('uploader', other.ownerId);
    const link = await owner.json<{ url: string }>(201, 'POST', `/v1/videos/${other.id}/watch-link`);
    expect(await clientWith(link.url.split('#t=')[1]!).code('POST', `/v1/rooms/${id}/tickets`)).toBe(
      'not_found',
    );
  });

  test('tickets are for one room, and open a WebSocket alone', async () => {
    const world = await roomWorld();
    const [one, other] = [await createRoom(world), await createRoom(world)];
    expect(await codeOf(await knock({ id: other.id, ticket: one.ticket }))).toBe('ticket_invalid');
    expect(await codeOf(await knock({ id: 'no-room', ticket: one.ticket }))).toBe('ticket_invalid');
    const anyone = clientWith('nonsense');
    expect(await anyone.code('GET', `/v1/rooms/${one.id}?ticket=${one.ticket}`)).toBe('invalid_request');
    expect(await anyone.code('DELETE', `/v1/rooms/${one.id}?ticket=${one.ticket}`)).toBe('unauthorized');
    await enter(one);
  });

  test('clients that can send a header need no ticket', async () => {
    const world = await roomWorld();
    const { id } = await createRoom(world);
    const upgrade = { headers: { Upgrade: 'websocket' } };
    const stranger = await clientOf('uploader');
    expect(await stranger.code('GET', `/v1/rooms/${id}`, upgrade)).toBe('not_found');
    const response = await world.client.call('GET', `/v1/rooms/${id}`, upgrade);
    expect(response.status).toBe(101);
    const { webSocket } = response as unknown as { webSocket: WebSocket };
    webSocket.accept();
    webSocket.close(1000);
  });

  test('pages of other sites are not', async () => {
    const ticket = await createRoom(await roomWorld());
    expect(await codeOf(await knock(ticket, { Origin: 'https://evil.test' }))).toBe('origin_not_allowed');
    await enter(ticket);
  });

  test('as many as there are places, and again when one has left', async () => {
    const world = await roomWorld();
    const ticket = await createRoom(world, { maxMembers: 2 });
    const [spare, second] = [await ticketFor(world, ticket.id), await ticketFor(world, ticket.id)];
    await enter(ticket);
    const member = await enter(second);
    expect(await codeOf(await knock(spare))).toBe('room_full');
    expect(await world.client.code('POST', `/v1/rooms/${ticket.id}/tickets`)).toBe('room_full');
    member.socket.close(1000);
    await vi.waitFor(() => join(world, ticket.id), { timeout: 20_000 });
  });

  test('a caller eight times at most', async () => {
    const world = await roomWorld();
    const ticket = await createRoom(world);
    await enter(ticket);
    for (let count = 1; count < 8; count++) await join(world, ticket.id);
    expect(await codeOf(await knock(await ticketFor(world, ticket.id)))).toBe('too_many_connections');
  });
});

describe('the owner', () => {
  test('sees members and state, and closes the room', async () => {
    const { world, id, host, guest, guestId, hostId } = await hosted();
    guest.say({ type: 'report', driftMs: -12.5, isBuffering: true });
    await host.hears('member');
    host.say({ type: 'seek', positionSeconds: 30 });
    await guest.hears('state');
    const view = await world.client.json<RoomView>(200, 'GET', `/v1/rooms/${id}`);
    expect(view).toMatchObject({ id, hostId, control: 'host', state: { positionSeconds: 30, revision: 1 } });
    expect(view.members).toContainEqual({ id: guestId, name: 'Ada', isBuffering: true, driftMs: -12.5 });
    expect(view).not.toHaveProperty('ownerId');
    await world.client.json(204, 'DELETE', `/v1/rooms/${id}`);
    await closed(guest, 4410, 'room_closed');
    await closed(host, 4410, 'room_closed');
    expect(await world.client.code('GET', `/v1/rooms/${id}`)).toBe('not_found');
  });
});

describe('a host', () => {
  test('who says goodbye is followed by who is here longest', async () => {
    const { world, id, host, guest, guestId } = await hosted();
    await join(world, id);
    host.socket.close(1000);
    expect((await guest.hears('room')).room.hostId).toBe(guestId);
    guest.say({ type: 'play' });
    await guest.hears('state', { by: guestId });
  });

  test('whose connection breaks keeps the room for a while, and comes back with the resume key', async () => {
    const { world, id, host, guest, hostId } = await hosted();
    const { resumeKey } = await host.hears('welcome');
    host.socket.close(1001); // as browsers do when a page goes
    await guest.hears('left', { memberId: hostId });
    const back = await join(world, id, { resumeKey, name: 'ignored' });
    const welcome = await back.hears('welcome');
    expect([welcome.memberId, welcome.room.hostId]).toEqual([hostId, hostId]);
    back.say({ type: 'play' });
    await guest.hears('state', { by: hostId });
  });

  test('who stays away is replaced', async () => {
    const { id, host, guest, guestId, hostId } = await hosted();
    host.socket.close(4000);
    await guest.hears('left', { memberId: hostId });
    await runDurableObjectAlarm(roomObject(id));
    expect(guest.messages.some(({ type }) => type === 'room')).toBe(false);
    await setRoom(id, { hostAwayMs: Date.now() - 16_000 });
    await runDurableObjectAlarm(roomObject(id));
    expect((await guest.hears('room')).room.hostId).toBe(guestId);
  });

  test('whose resume key nobody knows is a new member', async () => {
    const { world, id, hostId } = await hosted();
    const stranger = await join(world, id, { resumeKey: 'A'.repeat(43) });
    expect((await stranger.hears('welcome')).memberId).not.toBe(hostId);
  });
});

describe('a room left alone', () => {
  test('is kept for those who come back, and forgotten after a quarter of an hour', async () => {
    const { world, id, host, guest } = await hosted();
    host.say({ type: 'seek', positionSeconds: 40 });
    await guest.hears('state');
    for (const { socket } of [host, guest]) socket.close(1000);
    await vi.waitFor(
      async () =>
        expect((await world.client.json<RoomView>(200, 'GET', `/v1/rooms/${id}`)).members).toEqual([]),
      { timeout: 20_000 },
    );
    await runDurableObjectAlarm(roomObject(id));
    const back = await join(world, id);
    expect((await back.hears('welcome')).state).toMatchObject({ positionSeconds: 40, revision: 1 });
    back.socket.close(1000);
    await back.hears('welcome');
    await vi.waitFor(
      async () =>
        expect((await world.client.json<RoomView>(200, 'GET', `/v1/rooms/${id}`)).members).toEqual([]),
      { timeout: 20_000 },
    );
    await setRoom(id, { emptyMs: Date.now() - 16 * 60_000 });
    await runDurableObjectAlarm(roomObject(id));
    expect(await world.client.code('GET', `/v1/rooms/${id}`)).toBe('not_found');
    const left = await runInDurableObject(roomObject(id), async (_, state) => [...state.storage.kv.list()]);
    expect(left).toEqual([]);
  });

  test('with members in it closes when nothing has happened for hours', async () => {
    const { world, id, guest } = await hosted();
    const view = await world.client.json<RoomView>(200, 'GET', `/v1/rooms/${id}`);
    const old = { ...view.state, atServerMs: Date.now() - 3 * 3_600_000 };
    await setRoom(id, { state: { ...old, paused: false }, durationSeconds: 4 * 3600 });
    await runDurableObjectAlarm(roomObject(id));
    expect(guest.closes).toEqual([]);
    await setRoom(id, { state: old });
    await runDurableObjectAlarm(roomObject(id));
    await closed(guest, 4410, 'room_idle');
  });
});

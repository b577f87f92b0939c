import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, test, vi } from 'vitest';
import { closed, createRoom, enter, join, type Member, roomObject, roomWorld } from './room-member.ts';

async function pair(control: 'host' | 'open' = 'host') {
  const world = await roomWorld();
  const ticket = await createRoom(world, { control });
  const host = await enter(ticket);
  const guest = await join(world, ticket.id);
  await host.hears('joined');
  return { world, id: ticket.id, host, guest };
}

/** Changes what the room remembers of every connection. */
function amendSockets(id: string, part: object): Promise<void> {
  return runInDurableObject(roomObject(id), (_, state) => {
    for (const socket of state.getWebSockets()) {
      socket.serializeAttachment({ ...(socket.deserializeAttachment() as object), ...part });
    }
  });
}

const errorsOf = ({ messages }: Member) =>
  messages.flatMap((message) => (message.type === 'error' ? [message.code] : []));

describe('commands', () => {
  test('play, pause, seek and rate reach everybody with one state and ever higher revisions', async () => {
    const { host, guest } = await pair();
    host.say({ type: 'play', positionSeconds: 10 });
    host.say({ type: 'rate', rate: 1.5 });
    host.say({ type: 'seek', positionSeconds: 50 });
    host.say({ type: 'pause', positionSeconds: 51 });
    await guest.hears('state', { cause: 'pause' });
    await host.hears('state', { cause: 'pause' });
    const statesOf = ({ messages }: Member) =>
      messages.flatMap((each) => (each.type === 'state' ? [each] : []));
    expect(statesOf(guest)).toMatchObject([
      { cause: 'play', state: { positionSeconds: 10, rate: 1, paused: false, revision: 1 } },
      { cause: 'rate', state: { rate: 1.5, paused: false, revision: 2 } },
      { cause: 'seek', state: { positionSeconds: 50, rate: 1.5, paused: false, revision: 3 } },
      { cause: 'pause', state: { positionSeconds: 51, rate: 1.5, paused: true, revision: 4 } },
    ]);
    expect(statesOf(host).map(({ state }) => state)).toEqual(statesOf(guest).map(({ state }) => state));
  });

  test('past the end are taken for the end', async () => {
    const { host } = await pair();
    host.say({ type: 'seek', positionSeconds: 5000 });
    expect((await host.hears('state')).state.positionSeconds).toBe(100);
  });

  test.each(['play', 'pause', 'rate', 'seek'])('%s is for the host where the host controls', async (type) => {
    const { host, guest } = await pair();
    const command = {
      type,
      ...(type === 'rate' && { rate: 2 }),
      ...(type === 'seek' && { positionSeconds: 1 }),
    };
    guest.say({ ...command, id: 7 });
    expect(await guest.hears('error')).toMatchObject({ code: 'room_control_refused', id: 7 });
    host.say(command);
    await guest.hears('state', { cause: type });
  });

  test('are for everybody where control is open, and the host says which', async () => {
    const { host, guest } = await pair();
    guest.say({ type: 'control', control: 'open' });
    await guest.hears('error', { code: 'room_control_refused' });
    host.say({ type: 'control', control: 'open' });
    await guest.hears('room');
    guest.say({ type: 'play' });
    await host.hears('state', { by: (await guest.hears('welcome')).memberId });
  });

  test('hand the room over to a member who is there', async () => {
    const { host, guest } = await pair();
    const { memberId } = await guest.hears('welcome');
    host.say({ type: 'host', memberId: 'nobody' });
    await host.hears('error', { code: 'room_member_unknown' });
    host.say({ type: 'host', memberId });
    expect((await host.hears('room')).room.hostId).toBe(memberId);
    host.say({ type: 'play' });
    await host.hears('error', { code: 'room_control_refused' });
    guest.say({ type: 'play' });
    await host.hears('state', { by: memberId });
  });

  test('that name a revision hold for it alone', async () => {
    const { host, guest } = await pair('open');
    host.say({ type: 'seek', positionSeconds: 5, ifRevision: 0 });
    await guest.hears('state', { cause: 'seek' });
    guest.say({ type: 'pause', ifRevision: 0, id: 3 });
    expect(await guest.hears('error')).toMatchObject({
      code: 'room_revision_stale',
      id: 3,
      state: { positionSeconds: 5, revision: 1 },
    });
    guest.say({ type: 'pause', ifRevision: 1 });
    await host.hears('state', { cause: 'pause' });
  });
});

describe('keeping together', () => {
  test('clocks are told when a message came and went', async () => {
    const { guest } = await pair();
    const beforeMs = Date.now();
    guest.say({ type: 'sync', clientMs: 123.5 });
    const { clientMs, receivedMs, sentMs } = await guest.hears('sync');
    expect(clientMs).toBe(123.5);
    expect(sentMs).toBeGreaterThanOrEqual(receivedMs);
    // By the clock of the wall; how long it took is not asked.
    expect(Math.abs(receivedMs - beforeMs)).toBeLessThan(60_000);
  });

  test('who missed something is told the state, who did not is told so', async () => {
    const { host, guest } = await pair();
    host.say({ type: 'seek', positionSeconds: 5 });
    await guest.hears('state');
    guest.say({ type: 'resync', revision: 1 });
    expect(await guest.hears('current')).toMatchObject({ revision: 1 });
    guest.say({ type: 'resync', revision: 0 });
    await guest.hears('state', { cause: 'resync' });
    expect(host.messages.filter(({ type }) => type === 'state')).toHaveLength(1);
  });

  test('presence tells who comes, how they fare and who leaves', async () => {
    const { world, id, host } = await pair();
    const third = await join(world, id, { name: 'Third' });
    const { memberId } = await third.hears('welcome');
    await host.hears('joined', { member: { id: memberId, name: 'Third', isBuffering: false } });
    third.say({ type: 'report', driftMs: 40, isBuffering: false });
    await host.hears('member', { member: { id: memberId, name: 'Third', isBuffering: false, driftMs: 40 } });
    third.socket.close(1000);
    await host.hears('left', { memberId });
    const seqs = host.messages.flatMap((message) => ('seq' in message ? [message.seq] : []));
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
  });

  test('sleep takes nothing from the room or its members', async () => {
    const { id, host, guest } = await pair();
    host.say({ type: 'seek', positionSeconds: 20 });
    await guest.hears('state', { cause: 'seek' });
    await evictDurableObject(roomObject(id));
    host.say({ type: 'play', ifRevision: 1 });
    const { state, seq } = await guest.hears('state', { cause: 'play' });
    expect(state).toMatchObject({ positionSeconds: 20, revision: 2 });
    expect(seq).toBe(3);
    guest.say({ type: 'play' });
    await guest.hears('error', { code: 'room_control_refused' });
  });
});

describe('limits', () => {
  test.each([
    ['no JSON', 'hello'],
    ['an unknown type', '{"type":"stop"}'],
    ['a field too many', '{"type":"play","speed":2}'],
    ['a rate too high', '{"type":"rate","rate":4.1}'],
    ['a rate too low', '{"type":"rate","rate":0.2}'],
    ['a position before the start', '{"type":"seek","positionSeconds":-1}'],
    ['a position that is no number', '{"type":"seek","positionSeconds":null}'],
    ['a seek without position', '{"type":"seek"}'],
    ['a broken revision', '{"type":"play","ifRevision":0.5}'],
    ['an empty message', ''],
  ])('%s is refused, and what is right goes on', async (_, text) => {
    const { host } = await pair();
    host.socket.send(text);
    await host.hears('error', { code: 'invalid_request' });
    host.say({ type: 'rate', rate: 4 });
    await host.hears('state', { cause: 'rate' });
    expect(host.closes).toEqual([]);
  });

  test('who sends nothing but nonsense is sent away', async () => {
    const { host, guest } = await pair();
    // More than it takes: the slower they come, the more is forgiven.
    for (let count = 0; count < 30; count++) guest.socket.send('nonsense');
    await closed(guest, 4400, 'invalid_request');
    await host.hears('left');
  });

  test('messages have a size and are text', async () => {
    const { world, id, guest } = await pair();
    guest.socket.send(JSON.stringify({ type: 'play' }).padEnd(1025));
    await closed(guest, 1009);
    const binary = await join(world, id);
    binary.socket.send(new Uint8Array([1]));
    await closed(binary, 1003);
    const fitting = await join(world, id);
    fitting.socket.send(JSON.stringify({ type: 'resync', revision: 0 }).padEnd(1024));
    await fitting.hears('current');
  });

  test('a flood is answered with errors first and an end then', async () => {
    const { guest } = await pair();
    for (let count = 0; count < 40; count++) guest.say({ type: 'sync', clientMs: count });
    await guest.hears('sync', { clientMs: 39 });
    expect(errorsOf(guest)).toEqual([]);
    // More than it takes: the slower they come, the more is let through.
    for (let count = 0; count < 300; count++) guest.say({ type: 'sync', clientMs: count });
    await closed(guest, 4429, 'rate_limited');
    expect(errorsOf(guest)[0]).toBe('rate_limited');
  });

  test('who acknowledges nothing is sent away, who does is not', async () => {
    const { id, host, guest } = await pair('open');
    await amendSockets(id, { sent: 127, seen: 0 });
    host.say({ type: 'seen', seen: 127 });
    host.say({ type: 'play' });
    await guest.hears('state', { cause: 'play' });
    host.say({ type: 'pause' });
    await closed(guest, 4408, 'connection_too_slow');
    await host.hears('left');
    expect(host.closes).toEqual([]);
  });

  test('what was not sent cannot be acknowledged', async () => {
    const { id, guest } = await pair();
    guest.say({ type: 'seen', seen: 1_000_000 });
    guest.say({ type: 'resync', revision: 0 });
    await guest.hears('current');
    const attachments = await runInDurableObject(roomObject(id), (_, state) =>
      state.getWebSockets().map((socket) => socket.deserializeAttachment() as { sent: number; seen: number }),
    );
    for (const { sent, seen } of attachments) expect(seen).toBeLessThanOrEqual(sent);
  });

  test('a busy room does not put off looking after the silent', async () => {
    const { id, host, guest } = await pair();
    const alarm = () => runInDurableObject(roomObject(id), (_, state) => state.storage.getAlarm());
    const before = await alarm();
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(before! - 29_900), { timeout: 20_000 });
    host.say({ type: 'play' });
    await guest.hears('state');
    expect(await alarm()).toBe(before);
  });

  test('heartbeats keep a connection, silence ends it', async () => {
    const { id, host, guest } = await pair();
    const longAgo = { heardMs: Date.now() - 60_000 };
    await amendSockets(id, longAgo);
    host.socket.send('ping');
    await vi.waitFor(() => expect(host.texts).toEqual(['pong']), { timeout: 20_000 });
    await runDurableObjectAlarm(roomObject(id));
    await closed(guest, 4408, 'connection_silent');
    await host.hears('left');
    expect(host.closes).toEqual([]);
  });
});

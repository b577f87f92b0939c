import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLedgerClient } from '../../transcoder/ledger-client.ts';
import { createQueueClient } from '../../transcoder/queue-client.ts';
import { claimOf, problem, QUEUE, SECRET, startWire, ticketMessage, type Wire } from './wire-stand-in.ts';

let wire: Wire;
beforeEach(async () => {
  wire = await startWire();
});
afterEach(() => wire[Symbol.asyncDispose]());

describe('the queue client', () => {
  const client = () => createQueueClient({ api: wire.url, ...QUEUE });

  test('pulls and acks in the wire format of Cloudflare Queues', async () => {
    wire.messages.push(ticketMessage('a'), ticketMessage('b'));
    const pulled = await client().pull(1);
    expect(pulled).toEqual([{ leaseId: 'lease-a', attempts: 1, ticket: { v: 1, jobId: 'job1' } }]);
    await client().ack(['lease-a']);
    expect(wire.calls).toEqual([
      {
        path: '/accounts/acc/queues/q1/messages/pull',
        token: 'queue-token',
        body: { batch_size: 1, visibility_timeout_ms: 30_000 },
      },
      {
        path: '/accounts/acc/queues/q1/messages/ack',
        token: 'queue-token',
        body: { acks: [{ lease_id: 'lease-a' }], retries: [] },
      },
    ]);
  });

  test('hands over a message that is no ticket without one', async () => {
    wire.messages.push(
      { ...ticketMessage('a'), body: '%%%' },
      ticketMessage('b', { v: 2 }),
      ticketMessage('c'),
    );
    const tickets = (await client().pull(3)).map(({ ticket }) => ticket !== undefined);
    expect(tickets).toEqual([false, false, true]);
  });

  test('asks nothing when there is nothing to ack', async () => {
    await client().ack([]);
    expect(wire.calls).toEqual([]);
  });

  test('says what the queue answered when it refuses', async () => {
    wire.override = () => ({ status: 401, body: { success: false } });
    await expect(client().pull(1)).rejects.toMatchObject({
      code: 'internal',
      detail: expect.stringContaining('401'),
    });
    wire.override = undefined;
    await expect(client().pull(1)).resolves.toEqual([]);
  });
});

describe('the ledger client', () => {
  const client = () => createLedgerClient({ url: wire.url, secret: SECRET, retryDelaysMs: [1, 1, 1] });

  test('greets and claims with the transcoder’s secret', async () => {
    expect(await client().hello('worker1')).toBe(0);
    const identity = { workerId: 'worker1', profile: 'p' };
    expect(await client().claim(identity)).toBeUndefined();
    wire.claims.push(claimOf('chunk:3'));
    expect((await client().claim(identity))?.task.index).toBe(3);
    expect(wire.calls.map(({ path, token, body }) => [path, token, body])).toEqual([
      ['/internal/hello', SECRET, { workerId: 'worker1' }],
      ['/internal/claim', SECRET, identity],
      ['/internal/claim', SECRET, identity],
    ]);
  });

  test('speaks of a task with its token', async () => {
    const task = client().task('job-token');
    await task.commit(1);
    await task.reportDone(4);
    await task.fail({ code: 'media_malformed', detail: 'Damaged.', kind: 'media' });
    await task.release();
    await task.progress({ framesDone: 12 });
    expect(new Set(wire.calls.map(({ token }) => token))).toEqual(new Set(['job-token']));
    expect(wire.calls.map(({ path, body }) => [path.replace('/internal/', ''), body])).toEqual([
      ['commit', { mark: 1 }],
      ['done', { mark: 4 }],
      ['fail', { code: 'media_malformed', detail: 'Damaged.', kind: 'media' }],
      ['release', {}],
      ['progress', { framesDone: 12 }],
    ]);
  });

  test('takes the newer token that a heartbeat brings', async () => {
    const task = client().task('old');
    wire.override = ({ path }) =>
      path.endsWith('heartbeat') ? { status: 200, body: { leaseSeconds: 9, jobToken: 'new' } } : undefined;
    expect(await task.heartbeat()).toEqual({ leaseSeconds: 9 });
    await task.commit(1);
    expect(wire.calls.map(({ token }) => token)).toEqual(['old', 'new']);
  });

  test('turns a problem into the error of its code, asked once', async () => {
    wire.override = () => problem(409, 'lease_lost');
    const refused = client().task('t').commit(1);
    await expect(refused).rejects.toMatchObject({ code: 'lease_lost', detail: 'It is lease_lost.' });
    expect(wire.calls).toHaveLength(1);
  });

  test.each([
    ['a 503', () => problem(503, 'database_unavailable')],
    ['a 500 without a body', () => ({ status: 500 })],
    ['a dropped connection', () => 'drop' as const],
  ])('asks again after %s', async (_name, fault) => {
    wire.override = () => (wire.calls.length <= 2 ? fault() : undefined);
    await client().task('t').commit(1);
    expect(wire.calls).toHaveLength(3);
  });

  test('gives up after the last wait', async () => {
    wire.override = () => problem(503, 'database_unavailable');
    await expect(client().task('t').commit(1)).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(wire.calls).toHaveLength(4);
  });

  test('does not repeat a heartbeat', async () => {
    wire.override = () => problem(503, 'database_unavailable');
    await expect(client().task('t').heartbeat()).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(wire.calls).toHaveLength(1);
  });

  test('never shows an answer of something else than the ledger as a code', async () => {
    wire.override = () => ({ status: 404, body: '<html>secret</html>' });
    await expect(client().task('t').commit(1)).rejects.toMatchObject({
      code: 'internal',
      detail: 'The ledger answered 404 to commit.',
    });
  });
});

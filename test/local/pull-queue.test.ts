import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Child, startChild } from '../../local/child.ts';
import { queueServer, untilHealthy } from '../../local/dev-servers.ts';
import { ensureSecrets, type Home, homeAt, prepareHome } from '../../local/home.ts';
import { findFreePortPair } from '../../local/ports.ts';
import { devServerCommand } from '../../local/wrangler.ts';

// The stand-in for Cloudflare Queues' pull API, in the runtime it really has.

type Message = { id: string; body: string; attempts: number; lease_id: string; timestamp_ms: number };
type Answer = {
  success: boolean;
  errors: { code: number }[];
  result: { messages: Message[]; ackCount: number };
};

const HIDDEN_MS = 60_000;

let home: Home;
let port: number;
let token: string;
let server: Child;

async function startQueue(): Promise<void> {
  const secrets = await ensureSecrets(home);
  token = secrets.queueToken;
  const command = await devServerCommand(home, queueServer(home, port, secrets));
  server = startChild(command);
  await untilHealthy(server, `http://127.0.0.1:${port}/healthz`);
}

beforeAll(async () => {
  home = homeAt(await mkdtemp(join(tmpdir(), 'reelay-queue-')));
  port = await findFreePortPair();
  await prepareHome(home, false);
  await startQueue();
}, 60_000);

afterAll(async () => {
  await server?.stop(5);
  await rm(home.directory, { recursive: true, force: true });
});

async function post(queue: string, action: string, body: unknown, bearer = token) {
  const response = await fetch(`http://127.0.0.1:${port}/accounts/any/queues/${queue}/messages${action}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, ...((await response.json()) as Answer) };
}

const send = (queue: string, body: unknown, delaySeconds = 0) =>
  post(queue, '', { body, content_type: 'json', delay_seconds: delaySeconds });

async function pull(
  queue: string,
  options: object = { visibility_timeout_ms: HIDDEN_MS },
): Promise<Message[]> {
  return (await post(queue, '/pull', options)).result.messages;
}

/** Pulls until something arrives; the test's own limit ends a wait for ever. */
async function pullSome(queue: string, options?: object): Promise<Message[]> {
  for (;;) {
    const messages = await pull(queue, options);
    if (messages.length > 0) return messages;
    await sleep(50);
  }
}

const contentOf = (message: Message | undefined) =>
  JSON.parse(Buffer.from(message!.body, 'base64').toString());

describe('pulling', () => {
  it('hands out the JSON in base64 under a lease that hides it from the next pull', async () => {
    await send('hides', { v: 1, jobId: 'ünïcode' });
    const [message, ...others] = await pull('hides');
    expect(others).toEqual([]);
    expect(contentOf(message)).toEqual({ v: 1, jobId: 'ünïcode' });
    expect(message).toMatchObject({ attempts: 1, metadata: { 'CF-Content-Type': 'json' } });
    expect(await pull('hides')).toEqual([]);
  });

  it.each(['visibility_timeout_ms', 'visibility_timeout'])(
    'offers a message again after %s, with another lease and attempts 2',
    async (name) => {
      const queue = `again-${name}`;
      await send(queue, 'x');
      const [first] = await pull(queue, { [name]: 100 });
      const [second] = await pullSome(queue);
      expect(second).toMatchObject({ id: first!.id, attempts: 2 });
      expect(second!.lease_id).not.toBe(first!.lease_id);
    },
  );

  it('hands out 5 messages unless told otherwise', async () => {
    for (let count = 0; count < 7; count += 1) await send('batch', count);
    expect(await pull('batch')).toHaveLength(5);
    expect(await pull('batch', { batch_size: 100 })).toHaveLength(2);
  });

  it('takes a batch size of 100 and refuses 101', async () => {
    expect((await post('limits', '/pull', { batch_size: 100 })).success).toBe(true);
    const refused = await post('limits', '/pull', { batch_size: 101 });
    expect(refused).toMatchObject({ status: 400, success: false, errors: [{ code: 10026 }] });
  });

  it('wants the token', async () => {
    expect((await post('token', '/pull', {})).status).toBe(200);
    const refused = await post('token', '/pull', {}, 'another-token');
    expect(refused).toMatchObject({ status: 401, success: false, errors: [{ code: 10000 }] });
  });
});

describe('settling', () => {
  it('deletes what is acknowledged and brings back what is not', async () => {
    await send('ack', 'kept');
    await send('ack', 'deleted');
    const messages = await pull('ack', { visibility_timeout_ms: 200 });
    const deleted = messages.find((message) => contentOf(message) === 'deleted');
    const { result } = await post('ack', '/ack', { acks: [{ lease_id: deleted!.lease_id }] });
    expect(result.ackCount).toBe(1);
    expect((await pullSome('ack')).map(contentOf)).toEqual(['kept']);
  });

  it('does not take an ack under a lease that was given to someone else', async () => {
    await send('stale', 'x');
    const [first] = await pull('stale', { visibility_timeout_ms: 50 });
    const [second] = await pullSome('stale');
    const late = await post('stale', '/ack', { acks: [{ lease_id: first!.lease_id }] });
    expect(late.result).toMatchObject({ ackCount: 0, warnings: [expect.stringContaining(first!.lease_id)] });
    const current = await post('stale', '/ack', { acks: [{ lease_id: second!.lease_id }] });
    expect(current.result).toMatchObject({ ackCount: 1, warnings: [] });
  });

  it('offers a retried message at once, or only after its delay', async () => {
    await send('retry', 'x');
    const [first] = await pull('retry');
    await post('retry', '/ack', { retries: [{ lease_id: first!.lease_id }] });
    const [second] = await pull('retry');
    expect(second).toMatchObject({ id: first!.id, attempts: 2 });
    const retriedAtMs = Date.now();
    await post('retry', '/ack', { retries: [{ lease_id: second!.lease_id, delay_seconds: 1 }] });
    const [third] = await pullSome('retry');
    expect(third).toMatchObject({ id: first!.id, attempts: 3 });
    expect(Date.now() - retriedAtMs).toBeGreaterThanOrEqual(950);
  });

  it('buries a message after its last attempt, in the dead letter queue', async () => {
    await send('doomed', 'last words');
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      const [message] = await pull('doomed');
      expect(message!.attempts).toBe(attempt);
      await post('doomed', '/ack', { retries: [{ lease_id: message!.lease_id }] });
    }
    expect(await pull('doomed')).toEqual([]);
    expect((await pull('reelay-tickets-dead')).map(contentOf)).toEqual(['last words']);
  });
});

describe('a restart', () => {
  it('keeps messages and their leases', async () => {
    await send('restart', 'waiting');
    await send('restart-leased', 'leased');
    const [leased] = await pull('restart-leased');
    await server.stop(5);
    await startQueue();
    expect((await pull('restart')).map(contentOf)).toEqual(['waiting']);
    expect(await pull('restart-leased')).toEqual([]);
    const settled = await post('restart-leased', '/ack', { acks: [{ lease_id: leased!.lease_id }] });
    expect(settled.result.ackCount).toBe(1);
  }, 60_000);
});

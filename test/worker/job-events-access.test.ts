import { runInDurableObject } from 'cloudflare:test';
import { beforeEach, describe, expect, test } from 'vitest';
import { roomOf } from '../../worker/jobs/room-client.ts';
import { call, clearTasks, env, newJob, ORIGIN, refusalOf, type TestJob } from './ledger-fixtures.ts';
import { open, seen, watch } from './room-watcher.ts';

beforeEach(clearTasks);

async function issueTicket(job: TestJob): Promise<string> {
  const response = await call(job.ownerId, 'POST', `/v1/jobs/${job.jobId}/ticket`, { role: 'viewer' });
  expect(response.status).toBe(201);
  const { ticket, expiresAt } = await response.json<{ ticket: string; expiresAt: string }>();
  expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(60_000);
  return ticket;
}

describe('tickets', () => {
  test('open one connection without a header', async () => {
    const job = await newJob();
    const ticket = await issueTicket(job);
    const watcher = await watch(job, `?ticket=${ticket}`);
    await seen(watcher, { type: 'snapshot' });
    expect(await refusalOf(open(job, `?ticket=${ticket}`))).toBe('ticket_invalid');
  });

  test('are for one job', async () => {
    const job = await newJob();
    const other = await newJob();
    const ticket = await issueTicket(job);
    expect(await refusalOf(open(other, `?ticket=${ticket}`))).toBe('ticket_invalid');
    expect((await open(job, `?ticket=${ticket}`)).status).toBe(101);
  });

  test('of a job that does not exist are refused', async () => {
    const job = { jobId: crypto.randomUUID(), videoId: '', ownerId: 'nobody' };
    expect(await refusalOf(open(job, '?ticket=abc'))).toBe('ticket_invalid');
  });

  test('expire after a minute', async () => {
    const job = await newJob();
    const room = roomOf(env, job.jobId);
    const { ticket, expiresAtMs } = await room.issueTicket('jwt:me');
    const fresh = await room.issueTicket('jwt:me');
    await runInDurableObject(room, (_room, state) => {
      state.storage.kv.put(`ticket:${ticket}`, { caller: 'jwt:me', expiresAtMs: Date.now() - 1 });
    });
    expect(expiresAtMs).toBeGreaterThan(Date.now());
    expect(await room.redeemTicket(ticket)).toBeUndefined();
    expect(await room.redeemTicket(fresh.ticket)).toBe('jwt:me');
  });
});

describe('the origin of a page', () => {
  test.each([
    ['https://evil.test', false],
    ['null', false],
    [`${ORIGIN}.evil.test`, false],
    [ORIGIN, true],
  ])('%s may connect: %s', async (origin, isAllowed) => {
    const job = await newJob();
    const response = await open(job, '', { Origin: origin });
    expect(response.status).toBe(isAllowed ? 101 : 403);
    if (isAllowed) response.webSocket?.accept();
    else expect(await refusalOf(response)).toBe('origin_not_allowed');
  });
});

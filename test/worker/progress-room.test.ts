import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { JobEvent } from '../../shared/api.ts';
import { roomOf } from '../../worker/jobs/room-client.ts';
import {
  call,
  clearTasks,
  env,
  finishTask,
  jobRow,
  mustClaim,
  newJob,
  PRESENTATION,
  planned,
  refusalOf,
  runJob,
  type TestJob,
  told,
} from './ledger-fixtures.ts';
import { open, seen, watch } from './room-watcher.ts';

beforeEach(clearTasks);

describe('watching over a WebSocket', () => {
  test('tells a job from its snapshot over progress to ready, and never goes back', async () => {
    const job = await newJob();
    const watcher = await watch(job);
    await seen(watcher, {
      type: 'snapshot',
      jobId: job.jobId,
      videoId: job.videoId,
      state: 'queued',
      progress: 0,
    });
    await planned(job, [2, 2]);
    await seen(watcher, { type: 'state', state: 'running', stage: 'encoding' });
    const first = await mustClaim();
    await told('progress', first.jobToken, { framesDone: 60 });
    await seen(watcher, { type: 'progress', progress: 11.5 });
    await told('progress', first.jobToken, { framesDone: 30 });
    await finishTask(first, 2);
    await seen(watcher, { progress: 49.5 });
    await finishTask(await mustClaim(), 2);
    await seen(watcher, { type: 'state', stage: 'finishing' });
    await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION });
    await seen(watcher, { type: 'ready', state: 'succeeded', progress: 100 });

    const percents = watcher.events.map((event) => event.progress);
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    expect(watcher.events.at(-1)?.type).toBe('ready');
  });

  test('tells a failure with its code', async () => {
    const job = await newJob();
    const watcher = await watch(job);
    await told('fail', (await mustClaim()).jobToken, {
      kind: 'media',
      code: 'media_malformed',
      detail: 'Broken.',
    });
    const error = { code: 'media_malformed', detail: 'Broken.' };
    await seen(watcher, { type: 'failed', state: 'failed', error });
  });

  test('gives a late visitor the snapshot and the end', async () => {
    const job = await newJob();
    await runJob(job);
    const watcher = await watch(job);
    await seen(watcher, { type: 'ready' });
    expect(watcher.events).toEqual([
      expect.objectContaining({ type: 'snapshot', state: 'succeeded', progress: 100 }),
      expect.objectContaining({ type: 'ready', state: 'succeeded', progress: 100 }),
    ]);
  });

  test('survives the eviction of the room without a step back', async () => {
    const job = await newJob();
    const watcher = await watch(job);
    await planned(job, [2]);
    const held = await mustClaim();
    await told('progress', held.jobToken, { framesDone: 150 });
    await seen(watcher, { type: 'progress', progress: 49.5 });
    await evictDurableObject(roomOf(env, job.jobId));
    await told('progress', held.jobToken, { framesDone: 30 });
    const late = await watch(job);
    await seen(late, { type: 'snapshot', progress: 49.5 });
    await finishTask(held, 2);
    await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION });
    await seen(watcher, { type: 'ready', progress: 100 });
  });

  test('hears within a minute what an announcement failed to tell', async () => {
    const job = await newJob();
    const watcher = await watch(job);
    const error = { code: 'transcoder_lost', detail: 'x' };
    await env.DB.prepare(`UPDATE jobs SET state = 'failed', error_code = ?, error_detail = ? WHERE id = ?`)
      .bind(error.code, error.detail, job.jobId)
      .run();
    await runDurableObjectAlarm(roomOf(env, job.jobId));
    await seen(watcher, { type: 'failed', error });
  });

  test('is told anew of an ended job that it has forgotten', async () => {
    const job = await newJob();
    // Not by requests: what they announce behind their answers could come after the room has forgotten.
    await env.DB.prepare(`UPDATE jobs SET state = 'succeeded', finished_at = unixepoch() WHERE id = ?`)
      .bind(job.jobId)
      .run();
    const room = roomOf(env, job.jobId);
    const { jobId, videoId } = job;
    await room.announce({ jobId, videoId, state: 'succeeded', stage: 'succeeded', chunks: {} });
    await runDurableObjectAlarm(room);
    expect(await room.progress()).toBeUndefined();
    await seen(await watch(job), { type: 'ready', progress: 100 });
  });

  test('ignores news that arrives after its time', async () => {
    const job = await newJob();
    await runJob(job);
    const watcher = await watch(job);
    const { jobId, videoId } = job;
    await roomOf(env, jobId).announce({ jobId, videoId, state: 'running', stage: 'encoding', chunks: {} });
    await seen(await watch(job), { type: 'snapshot', state: 'succeeded', progress: 100 });
    expect(watcher.events.map((event) => event.type)).toEqual(['snapshot', 'ready']);
  });

  test('answers ping and closes on anything else', async () => {
    const job = await newJob();
    const watcher = await watch(job);
    watcher.socket.send('ping');
    await vi.waitFor(() => expect(watcher.texts).toEqual(['pong']), { timeout: 20_000 });
    watcher.socket.send('hello');
    await vi.waitFor(() => expect(watcher.closes).toEqual([1008]), { timeout: 20_000 });

    const loud = await watch(job);
    loud.socket.send('x'.repeat(5000));
    await vi.waitFor(() => expect(loud.closes).toEqual([1009]), { timeout: 20_000 });
  });

  test.each([
    [1000, 1000],
    [4321, 4321],
    [undefined, 1005],
  ])('answers a goodbye with code %s at once and counts the visitor no more', async (sent, answered) => {
    const job = await newJob();
    const watcher = await watch(job);
    await seen(watcher, { type: 'snapshot' });
    watcher.socket.close(sent);
    await vi.waitFor(() => expect(watcher.closes).toEqual([answered]), { timeout: 20_000 });
    const sockets = await runInDurableObject(roomOf(env, job.jobId), (_, state) => state.getWebSockets());
    expect(sockets).toEqual([]);
  });

  test('is granted to eight connections of a caller, and to other callers besides', async () => {
    const job = await newJob();
    const watchers = [];
    for (let count = 0; count < 8; count++) watchers.push(await watch(job));
    expect(await refusalOf(open(job))).toBe('too_many_connections');
    const room = roomOf(env, job.jobId);
    const headers = { 'x-reelay-caller': 'jwt:somebody-else', Upgrade: 'websocket' };
    const other = await room.fetch('https://room/', { headers });
    expect(other.status).toBe(101);
    other.webSocket?.accept();
    other.webSocket?.close();
    watchers[0]?.socket.close();
    await vi.waitFor(
      async () => {
        const again = await open(job);
        expect(again.status).toBe(101);
        again.webSocket?.accept();
      },
      { timeout: 20_000 },
    );
  });
});

describe('watching as an event stream', () => {
  async function openStream(job: TestJob): Promise<ReadableStreamDefaultReader<string>> {
    const response = await call(job.ownerId, 'GET', `/v1/jobs/${job.jobId}/events`, {
      headers: { Accept: 'text/event-stream' },
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    return (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  }

  async function readAll(reader: ReadableStreamDefaultReader<string>): Promise<JobEvent[]> {
    let text = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    const data = text.split('\n\n').filter((block) => block.startsWith('data: '));
    return data.map((block) => JSON.parse(block.slice('data: '.length)));
  }

  test('tells the same story and ends with the job', async () => {
    const job = await newJob();
    const reader = await openStream(job);
    const story = readAll(reader);
    await runJob(job);
    const events = await story;
    expect(events[0]).toMatchObject({ type: 'snapshot', state: 'queued' });
    expect(events.at(-1)).toMatchObject({ type: 'ready', state: 'succeeded', progress: 100 });
  });

  test('of an ended job is its snapshot and its end', async () => {
    const job = await newJob();
    await runJob(job);
    const events = await readAll(await openStream(job));
    expect(events.map((event) => event.type)).toEqual(['snapshot', 'ready']);
  });

  test('frees its place when the visitor has left and something is said', async () => {
    const job = await newJob();
    await planned(job, [8]);
    const held = await mustClaim();
    let framesDone = 0;
    const readers = [];
    for (let count = 0; count < 8; count++) readers.push(await openStream(job));
    const path = `/v1/jobs/${job.jobId}/events`;
    const headers = { Accept: 'text/event-stream' };
    expect(await refusalOf(call(job.ownerId, 'GET', path, { headers }))).toBe('too_many_connections');
    await readers[0]?.cancel();
    await vi.waitFor(
      async () => {
        framesDone += 10;
        await told('progress', held.jobToken, { framesDone });
        const answer = await call(job.ownerId, 'GET', path, { headers });
        expect(answer.status).toBe(200);
        await answer.body?.cancel();
      },
      { timeout: 20_000 },
    );
    await Promise.all(readers.map((reader) => reader.cancel()));
  });

  test('needs the Accept header', async () => {
    const job = await newJob();
    expect(await refusalOf(call(job.ownerId, 'GET', `/v1/jobs/${job.jobId}/events`))).toBe('invalid_request');
  });
});

describe('being watched', () => {
  const watchedFor = (job: TestJob) =>
    env.DB.prepare('SELECT watched_until - unixepoch() AS n FROM jobs WHERE id = ?')
      .bind(job.jobId)
      .first<number>('n');

  test('is told to the ledger at once and again each minute while somebody is there', async () => {
    const job = await newJob();
    const watcher = await watch(job);
    expect(await watchedFor(job)).toBeGreaterThan(100);
    await env.DB.prepare('UPDATE jobs SET watched_until = 0 WHERE id = ?').bind(job.jobId).run();
    await watch(job);
    expect(await jobRow(job)).toMatchObject({ watched_until: 0 });
    await runDurableObjectAlarm(roomOf(env, job.jobId));
    expect(await watchedFor(job)).toBeGreaterThan(100);
    watcher.socket.close();
  });

  test('shows in the job as live progress and an estimate', async () => {
    const job = await newJob();
    await planned(job, [2]);
    await env.DB.prepare('UPDATE jobs SET started_at = unixepoch() - 100 WHERE id = ?').bind(job.jobId).run();
    const held = await mustClaim();
    await told('progress', held.jobToken, { framesDone: 150 });
    await vi.waitFor(
      async () => {
        const answer = await call(job.ownerId, 'GET', `/v1/jobs/${job.jobId}`);
        expect(await answer.json()).toMatchObject({ progress: 49.5, etaSeconds: expect.any(Number) });
      },
      { timeout: 20_000 },
    );
  });
});

// One trace id from the creation of an upload to the published video, in what the Worker logs and in what it hands on.
import { env, SELF } from 'cloudflare:test';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Claim } from '../../shared/messages.ts';
import { parseTraceparent, traceparentOf } from '../../shared/trace-context.ts';
import { clientOf } from './api-client.ts';
import { clearTasks, ORIGIN, PRESENTATION, planOf } from './ledger-fixtures.ts';
import { type create, sendPart, videoBytes } from './upload-steps.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = `00-${TRACE}-00f067aa0ba902b7-01`;

type Line = { event: string; traceId?: string; jobId?: string; requestId?: string; route?: string };
let lines: Line[] = [];
beforeEach(async () => {
  await clearTasks();
  lines = [];
  for (const level of ['info', 'warn'] as const) {
    vi.spyOn(console, level).mockImplementation((line: string) => void lines.push(JSON.parse(line)));
  }
});
afterEach(() => vi.restoreAllMocks());

/** A transcoder that goes on with what its claim says. */
async function told<T>(path: string, held: Claim | undefined, body: object = {}): Promise<T> {
  const trace = parseTraceparent(held?.job.traceparent);
  const answer = await SELF.fetch(`${ORIGIN}/internal/${path}`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${held?.jobToken ?? env.TRANSCODER_SECRET}`,
      ...(trace && { traceparent: traceparentOf(trace) }),
    },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
  return (await answer.json()) as T;
}

const claim = () => told<Claim>('claim', undefined, { workerId: 'w', profile: 'p' });

/** Uploads and does the job; the claims that it took. */
async function uploadAndPublish(
  headers: Record<string, string>,
): Promise<{ jobId: string; claims: Claim[] }> {
  const client = await clientOf();
  const bytes = videoBytes(1000);
  const created = await client.json<Awaited<ReturnType<typeof create>>>(201, 'POST', '/v1/uploads', {
    json: { filename: 'a.mp4', sizeBytes: bytes.length, method: 'single' },
    headers,
  });
  await sendPart(client, created, 1, bytes);
  const { jobId } = await client.json<{ jobId: string }>(
    200,
    'POST',
    `/v1/uploads/${created.uploadId}/complete`,
  );
  const plan = await claim();
  await told('plan', plan, { summary: planOf([1], 0) });
  const chunk = await claim();
  await told('commit', chunk, { mark: 1 });
  await told('done', chunk, { mark: 1 });
  const finish = await claim();
  await told('publish', finish, { presentation: PRESENTATION });
  return { jobId, claims: [plan, chunk, finish] };
}

const STEPS = ['upload.accepted', 'task.claimed', 'job.planned', 'task.done', 'job.published'];

describe('a trace', () => {
  it('that came with an upload is that of its job, of each claim, and of what is logged up to its publication', async () => {
    const { jobId, claims } = await uploadAndPublish({ traceparent: PARENT });
    expect(claims.map(({ job }) => parseTraceparent(job.traceparent)?.traceId)).toEqual([
      TRACE,
      TRACE,
      TRACE,
    ]);
    const ofJob = lines.filter((line) => line.jobId === jobId);
    expect(STEPS.filter((step) => !ofJob.some(({ event }) => event === step))).toEqual([]);
    expect(ofJob.filter(({ traceId }) => traceId !== TRACE)).toEqual([]);
    const created = lines.find(({ event, route }) => event === 'http.request' && route === '/v1/uploads');
    expect(created?.traceId).toBe(TRACE);
    // Where it came by a request, the line leads there too.
    expect(new Set(ofJob.map(({ requestId }) => requestId)).size).toBeGreaterThan(STEPS.length);
  });

  it('begins with the upload where none came with it', async () => {
    const { claims } = await uploadAndPublish({});
    const created = lines.find(({ event, route }) => event === 'http.request' && route === '/v1/uploads');
    expect(created?.traceId).toBe(created?.requestId?.replaceAll('-', ''));
    expect(claims.map(({ job }) => parseTraceparent(job.traceparent)?.traceId)).toEqual(
      claims.map(() => created?.traceId),
    );
  });

  it.each([
    ['of a wrong length', PARENT.slice(0, -1)],
    ['with more than version 00 has', `${PARENT}-00`],
    ['of a version that must not be', PARENT.replace(/^00/, 'ff')],
    ['without an id', PARENT.replace(TRACE, '0'.repeat(32))],
    ['without a parent', PARENT.replace('00f067aa0ba902b7', '0'.repeat(16))],
    ['in capitals', PARENT.toUpperCase()],
  ])('%s is none', (_case, header) => {
    expect(parseTraceparent(PARENT)?.traceId).toBe(TRACE);
    expect(parseTraceparent(PARENT.replace(/^00/, '01').concat('-more'))?.traceId).toBe(TRACE);
    expect(parseTraceparent(header)).toBeUndefined();
  });

  it('of whoever asks for another job is that job’s', async () => {
    const { jobId } = await uploadAndPublish({});
    const row = await env.DB.prepare('SELECT video_id, owner_id FROM jobs WHERE id = ?')
      .bind(jobId)
      .first<{ video_id: string; owner_id: string }>();
    const client = await clientOf('admin', row!.owner_id);
    await client.json(202, 'POST', `/v1/videos/${row!.video_id}/transcode`, {
      json: {},
      headers: { traceparent: PARENT },
    });
    expect(parseTraceparent((await claim()).job.traceparent)?.traceId).toBe(TRACE);
  });
});

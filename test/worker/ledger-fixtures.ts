// Videos with jobs, transcoders that speak the internal API, and a clock that is moved by writing to D1.
import { SELF, env as testEnv } from 'cloudflare:test';
import { expect } from 'vitest';
import type { Role } from '../../shared/api.ts';
import { createLog } from '../../shared/log.ts';
import type { Claim, PlanSummary, Presentation } from '../../shared/messages.ts';
import { sourceKey } from '../../shared/object-keys.ts';
import type { Env } from '../../worker/env.ts';
import { createJobStatements } from '../../worker/jobs/create.ts';
import { latestJobOf } from '../../worker/jobs/store.ts';
import { ORIGIN, signJwt } from './api-client.ts';

export const env = testEnv as unknown as Env & { TRANSCODER_SECRET: string };
export const log = createLog({ test: true });
export { ORIGIN };

export const SEGMENT_FRAMES = 150;

export type TestJob = { jobId: string; videoId: string; ownerId: string };

/** A stored video with a queued job. */
export async function newJob(options: { ownerId?: string; contentId?: string } = {}): Promise<TestJob> {
  const videoId = crypto.randomUUID();
  const ownerId = options.ownerId ?? `owner-${crypto.randomUUID()}`;
  await env.DB.prepare(
    `INSERT INTO videos (id, owner_id, title, kind, content_id, visibility, protection, state, source_key)
     VALUES (?, ?, 'A film', 'movie', ?, 'private', 'none', 'uploading', ?)`,
  )
    .bind(videoId, ownerId, options.contentId ?? null, sourceKey(videoId, 'upload'))
    .run();
  return { ...(await addJob(videoId, ownerId)), videoId, ownerId };
}

/** One more job of a video. */
export async function addJob(videoId: string, ownerId: string): Promise<TestJob> {
  const jobId = crypto.randomUUID();
  await env.DB.batch(
    createJobStatements(env.DB, jobToCreate({ jobId, videoId, ownerId }), { sql: '1', params: [] }),
  );
  return { jobId, videoId, ownerId };
}

export function jobToCreate({ jobId, videoId, ownerId }: TestJob) {
  return {
    jobId,
    videoId,
    ownerId,
    options: { segmentSeconds: 6, preset: 'veryfast' as const },
    source: { key: sourceKey(videoId, 'upload'), etag: 'etag', sizeBytes: 1000 },
    outputPrefix: `hls/movies/${videoId}/${jobId}/`,
  };
}

/** A plan of chunks with these many segments each, all segments full. */
export function planOf(chunkSegments: number[], audioTracks = 1): PlanSummary {
  const segmentCount = chunkSegments.reduce((sum, segments) => sum + segments, 0);
  return {
    totalFrames: segmentCount * SEGMENT_FRAMES,
    segmentCount,
    segmentFrames: SEGMENT_FRAMES,
    chunks: chunkSegments.map((segments) => ({ segmentCount: segments, frames: segments * SEGMENT_FRAMES })),
    audioTracks,
    durationSeconds: segmentCount * 6,
    width: 1280,
    height: 720,
    frameRate: 25,
  };
}

export const PRESENTATION: Presentation = {
  durationSeconds: 18,
  width: 1280,
  height: 720,
  frameRate: 25,
  sizeBytes: 1000,
  renditions: [
    {
      name: '720p',
      width: 1280,
      height: 720,
      bandwidthBps: 1000,
      averageBandwidthBps: 900,
      codecs: 'avc1.64001f',
    },
  ],
  audio: [],
  hasPoster: true,
};

export function internal(path: string, token: string, body: object = {}): Promise<Response> {
  return SELF.fetch(`${ORIGIN}/internal/${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** A call that must succeed. */
export async function told<T = unknown>(path: string, token: string, body: object = {}): Promise<T> {
  const response = await internal(path, token, body);
  const text = await response.text();
  expect(response.status, `${path}: ${text}`).toBe(200);
  return JSON.parse(text) as T;
}

/** The code of a call that must be refused. */
export async function refusalOf(answer: Promise<Response> | Response): Promise<string> {
  const response = await answer;
  const body = await response.json<{ code?: string }>();
  return body.code ?? `no code, status ${response.status}`;
}

export async function claim(workerId = 'worker-a', profile = 'profile-1'): Promise<Claim | undefined> {
  const response = await internal('claim', env.TRANSCODER_SECRET, { workerId, profile });
  if (response.status === 204) return undefined;
  expect(response.status).toBe(200);
  return response.json<Claim>();
}

/** Claims what must be there. */
export async function mustClaim(workerId?: string, profile?: string): Promise<Claim> {
  const claimed = await claim(workerId, profile);
  if (!claimed) throw new Error('nothing to claim');
  return claimed;
}

/** Takes a job over its plan; its chunks are ready afterwards. */
export async function planned(job: TestJob, chunkSegments: number[], audioTracks = 0): Promise<void> {
  const plan = await mustClaim();
  expect(plan.task).toMatchObject({ jobId: job.jobId, kind: 'plan' });
  await told('plan', plan.jobToken, { summary: planOf(chunkSegments, audioTracks) });
}

/** A job with one chunk of three segments, claimed. */
export async function chunkAtWork(): Promise<{ job: TestJob; held: Claim }> {
  const job = await newJob();
  await planned(job, [3]);
  return { job, held: await mustClaim() };
}

/** Commits what is missing of a claimed chunk or audio task and ends it. */
export async function finishTask(claimed: Claim, segments: number): Promise<void> {
  for (let mark = claimed.task.mark + 1; mark <= segments; mark++)
    await told('commit', claimed.jobToken, { mark });
  await told('done', claimed.jobToken, { mark: segments });
}

/** From queued to published. */
export async function runJob(job: TestJob): Promise<void> {
  await planned(job, [1]);
  await finishTask(await mustClaim(), 1);
  await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION });
}

/** Lets the lease of a claimed task lapse. */
export async function lapse(claimed: Claim): Promise<void> {
  await env.DB.prepare(
    'UPDATE tasks SET lease_until = unixepoch() - 1 WHERE job_id = ? AND name = ? AND epoch = ?',
  )
    .bind(claimed.task.jobId, claimed.task.name, claimed.task.epoch)
    .run();
}

/** Lets every back-off end. */
export async function passBackoff(): Promise<void> {
  await env.DB.prepare(`UPDATE tasks SET not_before = 0 WHERE state = 'ready'`).run();
}

/** Takes the work of earlier tests out of the way: storage is shared within a file. */
export async function clearTasks(): Promise<void> {
  await env.DB.batch([env.DB.prepare('DELETE FROM tasks'), env.DB.prepare('DELETE FROM outbox')]);
}

export async function taskRow(jobId: string, name: string): Promise<Record<string, unknown>> {
  const row = await env.DB.prepare('SELECT * FROM tasks WHERE job_id = ? AND name = ?')
    .bind(jobId, name)
    .first();
  return row ?? {};
}

export async function jobRow(job: TestJob): Promise<Record<string, unknown>> {
  return (await env.DB.prepare('SELECT * FROM jobs WHERE id = ?').bind(job.jobId).first()) ?? {};
}

export async function videoRow(job: TestJob): Promise<Record<string, unknown>> {
  return (await env.DB.prepare('SELECT * FROM videos WHERE id = ?').bind(job.videoId).first()) ?? {};
}

export async function ticketsOf(jobId: string): Promise<number> {
  const count = 'SELECT count(*) AS n FROM outbox WHERE json_extract(body, ?) = ?';
  return (await env.DB.prepare(count).bind('$.jobId', jobId).first<{ n: number }>())?.n ?? 0;
}

export async function latestJob(job: TestJob) {
  const row = await latestJobOf(env.DB, job.videoId);
  if (!row) throw new Error('the video has no job');
  return row;
}

export async function bearer(ownerId: string, role: Role = 'uploader'): Promise<string> {
  return `Bearer ${await signJwt({ ownerId, role })}`;
}

/** A public call by an owner. */
export async function call(
  ownerId: string,
  method: string,
  path: string,
  options: { role?: Role; headers?: Record<string, string> } = {},
): Promise<Response> {
  const headers = { Authorization: await bearer(ownerId, options.role), ...options.headers };
  return SELF.fetch(`${ORIGIN}${path}`, { method, headers });
}

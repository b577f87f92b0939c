// A job whose plan and init segments lie in R2 as a transcoder leaves them, for playing what grows.
import { SELF } from 'cloudflare:test';
import { expect, vi } from 'vitest';
import type { Claim } from '../../shared/messages.ts';
import {
  audioStem,
  initName,
  instantPrefix,
  ladderKey,
  planKey,
  videoStem,
} from '../../shared/object-keys.ts';
import { type Plan, PlanOptions } from '../../shared/plan.ts';
import { planJob } from '../../shared/plan-job.ts';
import {
  addJob,
  bearer,
  env,
  mustClaim,
  newJob,
  ORIGIN,
  planOf,
  type TestJob,
  told,
} from './ledger-fixtures.ts';

export type GrowingJob = TestJob & { plan: Plan; prefix: string; copyPrefix: string };

const SEGMENT_SECONDS = 6;

/** A job over its plan: 25 pictures per second, chunks of these many segments, `en` sound unless told otherwise. */
export async function growingJob(
  segments: number,
  options: { hasAudio?: boolean; instantSegments?: number; of?: TestJob } = {},
): Promise<GrowingJob> {
  const { hasAudio = false, instantSegments } = options;
  const job = options.of ? await addJob(options.of.videoId, options.of.ownerId) : await newJob();
  const plan = planFor(segments * SEGMENT_SECONDS, hasAudio);
  const prefix = `hls/movies/${job.videoId}/${job.jobId}/`;
  const withCopy: Plan = instantSegments === undefined ? plan : { ...plan, instant: copyOf(instantSegments) };
  await env.MEDIA.put(planKey(job.jobId), JSON.stringify(withCopy));
  // What the first chunk task of such a job stores before anything else.
  if (instantSegments !== undefined)
    await env.MEDIA.put(ladderKey(job.jobId), JSON.stringify({ version: 1 }));
  for (const { name } of plan.renditions)
    await env.MEDIA.put(prefix + initName(videoStem(name)), videoInit());
  for (const { name } of plan.audio) await env.MEDIA.put(prefix + initName(audioStem(name)), audioInit());

  const claimed = await mustClaim();
  expect(claimed.task).toMatchObject({ jobId: job.jobId, kind: 'plan' });
  const summary = {
    ...planOf(
      plan.chunks.map((chunk) => chunk.segmentCount),
      plan.audio.length,
    ),
    ...(instantSegments === undefined ? {} : { instantSegments }),
  };
  await told('plan', claimed.jobToken, { summary });
  return { ...job, plan: withCopy, prefix, copyPrefix: instantPrefix(prefix) };
}

function planFor(seconds: number, hasAudio: boolean): Plan {
  const audio = { streamIndex: 1, codec: 'aac', channels: 2, sampleRate: 48_000, language: 'en' };
  return planJob(
    {
      ...{ demuxer: 'mov', sizeBytes: 10_000_000, streamCount: 2, zeroSeconds: 0, durationSeconds: seconds },
      audio: hasAudio ? [{ ...audio, isDefault: true, startSeconds: 0, durationSeconds: seconds }] : [],
      keyFrameSeconds: Array.from({ length: seconds }, (_, index) => index),
      video: {
        ...{ streamIndex: 0, codec: 'h264', codedWidth: 640, codedHeight: 360, sar: { num: 1, den: 1 } },
        ...{ rotationDegrees: 0, pixelFormat: 'yuv420p', isInterlaced: false, startSeconds: 0 },
        ...{ durationSeconds: seconds, averageFps: 25, isVariableFrameRate: false },
      },
    },
    PlanOptions.parse({}),
  );
}

function copyOf(segments: number): NonNullable<Plan['instant']> {
  return {
    video: {
      ...{ name: '360p', timescale: 1000, codecs: 'avc1.64001e', width: 640, height: 360 },
      ...{ fps: { num: 25, den: 1 }, peakBps: 1_000_000, averageBps: 800_000 },
      segments: Array.from({ length: segments }, (_, index) => ({
        ...{ startTicks: index * 7000, durationTicks: 7000 },
      })),
    },
  };
}

/** Claims what is there until the named task comes, and gives back the rest. */
export async function claimTask(name: string, workerId = 'worker-a'): Promise<Claim> {
  const others: Claim[] = [];
  for (;;) {
    const claimed = await mustClaim(workerId);
    if (claimed.task.name !== name) {
      others.push(claimed);
      continue;
    }
    for (const other of others) await told('release', other.jobToken);
    return claimed;
  }
}

export async function commitTo(claimed: Claim, from: number, to: number): Promise<void> {
  for (let mark = from + 1; mark <= to; mark++) await told('commit', claimed.jobToken, { mark });
}

/** Makes every task of the job seem to have begun so long ago. */
export async function startedAgo(job: TestJob, seconds: number): Promise<void> {
  await env.DB.prepare(
    'UPDATE tasks SET started_at = unixepoch() - ? WHERE job_id = ? AND started_at IS NOT NULL',
  )
    .bind(seconds, job.jobId)
    .run();
}

/** As if a growing list were shown for so long; what the test itself has taken until now does not count. */
export async function shownFor(prefix: string, seconds: number): Promise<void> {
  await env.DB.prepare('UPDATE growths SET shown_at = unixepoch() - ? WHERE prefix = ?')
    .bind(seconds, prefix)
    .run();
}

export async function growthRow(prefix: string): Promise<Record<string, unknown> | null> {
  return env.DB.prepare('SELECT * FROM growths WHERE prefix = ?').bind(prefix).first();
}

export async function post(job: TestJob, path: string, body: object = {}): Promise<Response> {
  const headers = { Authorization: await bearer(job.ownerId, 'viewer'), 'Content-Type': 'application/json' };
  return SELF.fetch(`${ORIGIN}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
}

/** Answer and status of a play request in one. */
export async function play(job: TestJob, body: object = {}): Promise<Record<string, unknown>> {
  const response = await post(job, `/v1/videos/${job.videoId}/play`, body);
  return { status: response.status, ...(await response.json<object>()) };
}

let skewMs = 0;

/** A list as a player asks for it, each time later than the isolate remembers. */
export async function list(hls: unknown, name: string, init: RequestInit = {}): Promise<Response> {
  const real = vi.isMockFunction(Date.now) ? undefined : Date.now.bind(Date);
  if (real) vi.spyOn(Date, 'now').mockImplementation(() => real() + skewMs);
  skewMs += 1500;
  return SELF.fetch(new URL(name, String(hls)).href, init as never) as unknown as Promise<Response>;
}

/** Of a list: its media type is none that workerd takes for text. */
export async function textOf(response: Response): Promise<string> {
  return new TextDecoder().decode(await response.arrayBuffer());
}

/** What a list shows, and whether it has ended. */
export async function shown(hls: unknown, name: string): Promise<string> {
  const response = await list(hls, name);
  const text = await textOf(response);
  if (!response.ok) return `${response.status} ${JSON.parse(text).code}`;
  return `${text.match(/\.m4s/g)?.length ?? 0}${text.includes('#EXT-X-ENDLIST') ? ' ended' : ''}`;
}

const words = (...values: number[]) =>
  values.flatMap((v) => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255]);

function box(type: string, ...parts: number[][]): number[] {
  const body = parts.flat();
  return [...words(body.length + 8), ...[...type].map((letter) => letter.charCodeAt(0)), ...body];
}

function init(handler: string, timescale: number, entry: number[], edit: number[]): Uint8Array {
  const mdhd = box('mdhd', words(0, 0, 0, timescale, 0, 0));
  const hdlr = box(
    'hdlr',
    words(0, 0),
    [...handler].map((letter) => letter.charCodeAt(0)),
    words(0, 0, 0),
  );
  const stsd = box('stsd', words(0, 1), entry);
  const mdia = box('mdia', mdhd, hdlr, box('minf', box('stbl', stsd)));
  return Uint8Array.from(box('moov', box('trak', box('tkhd', words(...Array(21).fill(0))), edit, mdia)));
}

function videoInit(): Uint8Array {
  const avcC = box('avcC', [1, 0x64, 0, 0x1e, 0xff, 0xe1]);
  return init('vide', 90_000, box('avc1', Array(78).fill(0), avcC), []);
}

/** AAC-LC at 48 kHz behind 1024 hidden samples. */
function audioInit(): Uint8Array {
  const specific = [5, 2, 0x11, 0x90];
  const decoder = [4, 13 + specific.length, 0x40, 0x15, ...Array(11).fill(0), ...specific];
  const esds = box('esds', words(0), [3, 3 + decoder.length, 0, 1, 0, ...decoder]);
  const elst = box('edts', box('elst', words(0, 1, 0, 1024, 0x10000)));
  return init('soun', 48_000, box('mp4a', Array(28).fill(0), esds), elst);
}

// Viewers who read everything again and again while the video is published anew: by a session of their own each
// round, and at the public place. `npm run chaos -- publish` publishes 50 times; PUBLISHES says how often.
import { env, SELF } from 'cloudflare:test';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SECOND_MS } from '../../shared/limits.ts';
import { generationPrefix, MASTER_PLAYLIST } from '../../shared/object-keys.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { sha256Of } from '../support/sha256.ts';
import { addJob, bearer, clearTasks, newJob, runJob, type TestJob } from './ledger-fixtures.ts';
import { ORIGIN } from './playback-fixtures.ts';
import { type PreparedGeneration, prepareGeneration, storeGeneration } from './prepared-generation.ts';

const PUBLISHES = Number(env.PUBLISHES);
/** The public place is looked up every 5 seconds: each time it is published anew, that long has passed. */
const PLACE_AGE_MS = 6 * SECOND_MS;
const ROUNDS_PER_PUBLISH = 2;
const TIMEOUT_MS = (60 + 12 * PUBLISHES) * SECOND_MS;

beforeEach(async () => {
  await clearTasks();
  vi.spyOn(console, 'info').mockImplementation(() => {}); // a line per request
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

type Walk = { generation: string; objects: number };
type Walker = { kind: 'session' | 'public'; walks: Walk[] };

test(
  'whoever watches while a video is published again gets one generation, whole',
  async () => {
    const first = await newJob({ contentId: crypto.randomUUID() });
    const contentId = await makePublic(first);
    const generations = new Map<string, PreparedGeneration>();
    const publish = async (job: TestJob) => {
      // Every generation has another length: lists of one with segments of another would not go unnoticed.
      const segments = 3 + (generations.size % 3);
      const shape = { heights: [240, 720], segments, segmentSeconds: 6, segmentBytes: 2000 };
      const prepared = await prepareGeneration(job.jobId, shape);
      generations.set(job.jobId, prepared);
      await storeGeneration(env.MEDIA, generationPrefix('movie', job.videoId, job.jobId), prepared);
      await runJob(job);
    };
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    await publish(first);

    let isOver = false;
    const walkers = (['session', 'session', 'public', 'public'] as const).map(
      (kind): Walker => ({ kind, walks: [] }),
    );
    const walking = walkers.map(async (walker) => {
      while (!isOver) {
        const master =
          walker.kind === 'session'
            ? await sessionOf(first)
            : `${ORIGIN}/hls/movies/${contentId}/${MASTER_PLAYLIST}`;
        walker.walks.push(await walk(master, generations));
      }
    });
    const walked = Promise.all(walking);
    try {
      for (let count = 0; count < PUBLISHES; count++) {
        const before = walkers.map(({ walks }) => walks.length);
        await publish(await addJob(first.videoId, first.ownerId));
        vi.setSystemTime(Date.now() + PLACE_AGE_MS);
        const haveAllWalked = () =>
          walkers.every(({ walks }, index) => walks.length >= before[index]! + ROUNDS_PER_PUBLISH);
        while (!haveAllWalked())
          await Promise.race([walked, new Promise((resolve) => setTimeout(resolve, 5))]);
      }
    } finally {
      // Whoever still walks ends: a request may not outlive its test.
      isOver = true;
      await Promise.allSettled(walking);
    }
    await walked;

    for (const { kind, walks } of walkers) {
      // A walk that began before a publication ends on what it began with; the next ones are on the new generation.
      expect(new Set(walks.map(({ generation }) => generation)).size, kind).toBeGreaterThanOrEqual(PUBLISHES);
    }
    const [[lastName, last]] = [...generations].slice(-1) as [[string, PreparedGeneration]];
    expect(await certificateOf(first)).toEqual({
      ...{ version: 1, jobId: lastName, objects: Object.fromEntries(last.sha256) },
    });
    const all = walkers.flatMap(({ walks }) => walks);
    console.log(
      `${PUBLISHES} publications, ${all.length} walks, ${all.reduce((sum, { objects }) => sum + objects, 0)} objects read`,
    );
  },
  TIMEOUT_MS,
);

/** From the master over every list to every segment. @throws Error at the first answer that is not the generation's */
async function walk(masterUrl: string, generations: ReadonlyMap<string, PreparedGeneration>): Promise<Walk> {
  const master = await read(masterUrl);
  const name = /^# (.+)$/m.exec(textOf(master))?.[1];
  const generation = generations.get(name ?? '');
  if (!generation) throw new Error(`a master of ${name ?? 'no generation'}`);
  const objects = new Set([MASTER_PLAYLIST]);
  // At the public place its URIs lead into the generation's folder; else it is as it was written.
  const asWritten = textOf(master).replaceAll(`${generation.name}/`, '');
  await requireOf(generation, MASTER_PLAYLIST, new TextEncoder().encode(asWritten));
  const readAs = async (url: string) => {
    const object = url.slice(url.lastIndexOf('/') + 1);
    const bytes = await read(url);
    await requireOf(generation, object, bytes);
    objects.add(object);
    return bytes;
  };
  for (const list of urisIn(textOf(master), masterUrl)) {
    for (const object of urisIn(textOf(await readAs(list)), list)) await readAs(object);
  }
  expect([...objects].sort()).toEqual([...generation.objects.keys()].sort());
  return { generation: generation.name, objects: objects.size };
}

async function requireOf(
  { name, sha256 }: PreparedGeneration,
  object: string,
  bytes: BufferSource,
): Promise<void> {
  if ((await sha256Of(bytes)) !== sha256.get(object)) throw new Error(`${object} is not that of ${name}`);
}

async function read(url: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await SELF.fetch(url);
  if (response.status !== 200)
    throw new Error(`${response.status} for ${new URL(url).pathname}: ${await response.text()}`);
  return new Uint8Array(await response.arrayBuffer());
}

function urisIn(playlist: string, baseUrl: string): string[] {
  const lines = playlist.split('\n').filter((line) => line !== '');
  const uris = lines.flatMap((line) =>
    line.startsWith('#') ? (/URI="([^"]+)"/.exec(line)?.[1] ?? []) : line,
  );
  return uris.map((uri) => new URL(uri, baseUrl).href);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function makePublic({ videoId }: TestJob): Promise<string> {
  const row = await env.DB.prepare(
    `UPDATE videos SET visibility = 'public' WHERE id = ? RETURNING content_id`,
  )
    .bind(videoId)
    .first<{ content_id: string }>();
  return row!.content_id;
}

async function certificateOf({ videoId, ownerId }: TestJob): Promise<unknown> {
  const headers = { Authorization: await bearer(ownerId) };
  return await (await SELF.fetch(`${ORIGIN}/v1/videos/${videoId}/certificate`, { headers })).json();
}

async function sessionOf({ videoId, ownerId }: TestJob): Promise<string> {
  const headers = { Authorization: await bearer(ownerId, 'viewer') };
  const response = await SELF.fetch(`${ORIGIN}/v1/videos/${videoId}/play`, {
    method: 'POST',
    headers,
    body: '{}',
  });
  if (response.status !== 200) throw new Error(`play answered ${response.status}: ${await response.text()}`);
  return ((await response.json()) as PlayAnswer).hls!;
}

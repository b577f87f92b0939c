import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { TaskFacts } from '../../shared/messages.ts';
import { Plan } from '../../shared/plan.ts';
import { runFfprobe, startFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import { runTask, type TaskOutcome } from '../../transcoder/pipeline.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { openSource } from '../../transcoder/source.ts';
import { type MemoryR2, memoryR2 } from './memory-r2.ts';
import { claimOf } from './wire-stand-in.ts';

const LIMITS = { wallSeconds: 60, memoryBytes: 2 ** 30 };
const SOURCE_KEY = 'sources/video1/upload1';
const PREFIX = 'hls/videos/video1/job1/';
const CLIP_SECONDS = 4;

let scratch: Scratch;
let clip: Uint8Array;

beforeAll(async () => {
  scratch = await createScratch('pipeline-test');
  await startFfmpeg(
    {
      inputs: [
        {
          options: ['-v', 'error', '-f', 'lavfi'],
          url: `testsrc2=size=320x180:rate=30:duration=${CLIP_SECONDS}`,
        },
        { options: ['-f', 'lavfi'], url: `sine=frequency=440:duration=${CLIP_SECONDS}` },
      ],
      outputs: [
        {
          options: ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '30', '-c:a', 'aac', '-ac', '2'],
          path: scratch.path('clip.mp4'),
        },
      ],
    },
    { directory: scratch.directory, limits: LIMITS },
  ).done;
  clip = await readFile(scratch.path('clip.mp4'));
});
afterAll(() => scratch[Symbol.asyncDispose]());

/** Runs one task of a job as the consumer would; returns what it reports and what it committed. */
async function run(
  r2: MemoryR2,
  name: string,
  mark = 0,
): Promise<{ outcome: TaskOutcome; commits: number[] }> {
  const claim = claimOf(name);
  claim.job.source.sizeBytes = clip.length;
  claim.job.options = { segmentSeconds: 2, preset: 'ultrafast' };
  claim.task.mark = mark;
  const commits: number[] = [];
  await using own = await createScratch(name, scratch.directory);
  await using source = await openSource(r2, claim.job.source, own);
  const outcome = await runTask({
    claim,
    r2,
    source,
    scratch: own,
    signal: new AbortController().signal,
    threads: 1,
    limits: LIMITS,
    log: createLog(),
    commit: async (done) => void commits.push(done),
    beginImport: () => Promise.reject(new Error('this is no import')),
    contentKey: () => Promise.reject(new Error('nothing here is protected')),
    progress: () => undefined,
  });
  return { outcome, commits };
}

describe('a job', () => {
  test('goes from a file to a stream that decodes to every planned frame', async () => {
    const r2 = memoryR2({ [SOURCE_KEY]: clip });
    const planned = await run(r2, 'plan');
    const plan = documentIn(r2, 'work/job1/plan.json', Plan);
    expect(planned.outcome).toEqual({
      kind: 'planned',
      summary: expect.objectContaining({
        totalFrames: 30 * CLIP_SECONDS,
        segmentCount: 2,
        segmentFrames: 60,
        chunks: plan.chunks.map(({ segmentCount }) => ({ segmentCount, frames: 60 * segmentCount })),
        audioTracks: 1,
        width: 320,
        height: 180,
        frameRate: 30,
      }),
    });

    for (const chunk of plan.chunks) {
      const { outcome, commits } = await run(r2, `chunk:${chunk.index}`);
      expect(outcome).toEqual({ kind: 'done', mark: chunk.segmentCount });
      expect(commits).toEqual(Array.from({ length: chunk.segmentCount }, (_, index) => index + 1));
      expect(
        documentIn(r2, `work/job1/chunk_${chunk.index}.json`, TaskFacts).tracks[0]?.segments,
      ).toHaveLength(chunk.segmentCount);
    }
    const audio = await run(r2, 'audio:0');
    expect(audio.outcome).toEqual({ kind: 'done', mark: audio.commits.at(-1) });

    const { outcome } = await run(r2, 'finish');
    expect(outcome).toMatchObject({
      kind: 'published',
      presentation: { width: 320, height: 180, hasPoster: true, hasStoryboard: true, hasPreview: true },
    });
    expect(await decodedFrames(r2)).toBe(30 * CLIP_SECONDS);

    // A second attempt, after a lost answer, finds everything there and reports the same.
    const before = new Map(r2.objects);
    expect((await run(r2, 'finish')).outcome).toEqual(outcome);
    expect(new Map(r2.objects)).toEqual(before);
  });

  test('keeps the plan that was stored first', async () => {
    const r2 = memoryR2({ [SOURCE_KEY]: clip });
    await run(r2, 'plan');
    const stored = documentIn(r2, 'work/job1/plan.json', Plan);
    const other = {
      ...stored,
      segmentCount: 1,
      totalFrames: 7,
      chunks: [{ index: 0, firstSegment: 0, segmentCount: 1 }],
    };
    r2.objects.set('work/job1/plan.json', new TextEncoder().encode(JSON.stringify(other)));
    const { outcome } = await run(r2, 'plan');
    expect(outcome).toMatchObject({ kind: 'planned', summary: { totalFrames: 7, segmentCount: 1 } });
  });

  test('refuses a task that its plan does not have', async () => {
    const r2 = memoryR2({ [SOURCE_KEY]: clip });
    await run(r2, 'plan');
    await expect(run(r2, 'chunk:99')).rejects.toMatchObject({ code: 'plan_invalid' });
    await expect(run(r2, 'chunk:0')).resolves.toMatchObject({ outcome: { kind: 'done' } });
  });

  test('is not finished while facts are missing', async () => {
    const r2 = memoryR2({ [SOURCE_KEY]: clip });
    await run(r2, 'plan');
    await expect(run(r2, 'finish')).rejects.toMatchObject({ code: 'not_found' });
  });
});

function documentIn<T>(r2: MemoryR2, key: string, schema: { parse(value: unknown): T }): T {
  return schema.parse(JSON.parse(new TextDecoder().decode(r2.objects.get(key))));
}

/** Lays the generation out on disk and lets ffprobe decode the video through the master playlist. */
async function decodedFrames(r2: MemoryR2): Promise<number> {
  for (const [key, bytes] of r2.objects) {
    if (!key.startsWith(PREFIX)) continue;
    const path = join(scratch.directory, 'published', key.slice(PREFIX.length));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  }
  const options = ['-v', 'error', '-allowed_extensions', 'ALL', '-select_streams', 'v:0', '-count_frames'];
  const text = await runFfprobe(
    [...options, '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0'],
    join(scratch.directory, 'published', 'master.m3u8'),
    { directory: scratch.directory, limits: LIMITS },
  );
  return Number.parseInt(text, 10);
}

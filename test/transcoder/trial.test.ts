import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { RECEIPT } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import { planJob } from '../../shared/plan-job.ts';
import { Receipt } from '../../shared/receipt.ts';
import { withLadder } from '../../shared/settled-ladder.ts';
import type { SourceInfo } from '../../shared/source-info.ts';
import { createScratch } from '../../transcoder/scratch.ts';
import { probeSource } from '../../transcoder/stages/probe.ts';
import { receiptOf } from '../../transcoder/stages/receipt.ts';
import { samplePlaces, sampleQuality } from '../../transcoder/stages/sample-quality.ts';
import { tryLadder } from '../../transcoder/stages/trial.ts';
import { openFileSource } from '../support/file-source.ts';
import { ffmpeg, makeFolder } from '../support/media.ts';
import { runWholeJob } from '../support/whole-job.ts';
import { encodeAll, LIMITS, onFile, PREFIX } from './encoding.ts';
import { memoryR2 } from './memory-r2.ts';

const LADDER = [36, 54, 72].map((shortSidePixels, index) => ({
  shortSidePixels,
  maxBitrateBps: 100_000 * (index + 1),
}));
const OPTIONS = { segmentSeconds: 2, preset: 'ultrafast' as const, ladder: LADDER };

let folder: string;

async function makeFilm(name: string, picture: string, seconds: number): Promise<string> {
  const path = join(folder, name);
  await ffmpeg([
    ...[
      '-f',
      'lavfi',
      '-i',
      `${picture}s=128x72:r=10:d=${seconds}`,
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
    ],
    ...['-pix_fmt', 'yuv420p', '-g', '10', path],
  ]);
  return path;
}

async function probed(path: string): Promise<SourceInfo> {
  await using scratch = await createScratch('trial-test');
  await using source = await openFileSource(path);
  return await probeSource(source, scratch, LIMITS, new AbortController().signal);
}

async function tried(path: string): Promise<Plan> {
  const info = await probed(path);
  return onFile(path, async ({ context }) => {
    const plan = planJob(info, OPTIONS);
    return withLadder(plan, { trial: await tryLadder(context, plan, info.keyFrameSeconds) });
  });
}

beforeAll(async () => {
  folder = await makeFolder('trial');
});

describe('a trial', () => {
  test('drops the middle of three rungs where they come out alike, and the plan says why', async () => {
    const plan = await tried(await makeFilm('flat.mp4', 'color=c=gray:', 44));
    expect(plan.renditions.map(({ name }) => name)).toEqual(['36p', '72p']);
    expect(plan.trial?.rungs.map(({ name, isKept }) => [name, isKept])).toEqual([
      ['36p', true],
      ['54p', false],
      ['72p', true],
    ]);
    expect(plan.trial?.rungs.every(({ averageBps }) => averageBps > 0)).toBe(true);
  });

  test('leaves a ladder whose rungs differ', async () => {
    const plan = await tried(await makeFilm('busy.mp4', 'testsrc2=', 44));
    expect(plan.renditions.map(({ name }) => name)).toEqual(['36p', '54p', '72p']);
    const [low, middle, high] = plan.trial!.rungs.map(({ averageBps }) => averageBps);
    expect(middle).toBeGreaterThan(1.1 * low!);
    expect(high).toBeGreaterThan(1.1 * middle!);
  });

  test('is not made of a short film, and fails no job', async () => {
    const short = await makeFilm('short.mp4', 'testsrc2=', 4);
    expect((await tried(short)).trial).toBeUndefined();
    const long = join(folder, 'busy.mp4');
    const info = await probed(long);
    const plan = planJob(info, OPTIONS);
    const trial = await onFile(long, ({ context }) => {
      const broken = { ...context, source: { ...context.source, url: 'ftp://127.0.0.1/gone' } };
      return tryLadder(broken, plan, info.keyFrameSeconds);
    });
    expect(trial).toBeUndefined();
  });
});

test('a source that plays by a copy is tried by its first chunk, and the rest of the job goes by that', async () => {
  const job = await runWholeJob(join(folder, 'flat.mp4'), { options: OPTIONS });
  expect(job.plan.instant).toBeDefined();
  expect(job.plan.trial).toBeUndefined();
  expect(job.plan.renditions.map(({ name }) => name)).toEqual(['36p', '54p', '72p']);
  expect(job.presentation.renditions.map(({ name }) => name)).toEqual(['36p', '72p']);
  expect([...job.r2.objects.keys()].filter((key) => key.includes('54p'))).toEqual([]);
  const receipt = Receipt.parse(JSON.parse(job.text(RECEIPT)));
  expect(receipt.trial?.rungs.map(({ isKept }) => isKept)).toEqual([true, false, true]);
});

describe('a receipt', () => {
  test('adds up, and its likeness is that of the stored bytes', async () => {
    const path = await makeFilm('six.mp4', 'testsrc2=', 6);
    const plan = planJob(await probed(path), OPTIONS);
    const r2 = memoryR2();
    const chunks = await encodeAll(path, plan, r2);
    const sample = await onFile(path, ({ context }) => sampleQuality(context, plan), { r2 });
    const receipt = Receipt.parse(receiptOf(plan, { chunks, audio: [] }, sample));

    for (const [index, rung] of receipt.rungs.entries()) {
      const stored = [...r2.objects].filter(([key]) => key.startsWith(`${PREFIX}stream_${rung.name}`));
      expect(rung.sizeBytes).toBe(stored.reduce((sum, [, bytes]) => sum + bytes.length, 0));
      expect(rung.peakBps).toBeGreaterThanOrEqual(rung.averageBps);
      expect(rung.fixedBitrateBytes).toBe((LADDER[index]!.maxBitrateBps * 6) / 8);
      expect(rung.ssim?.mean).toBeGreaterThan(0.8);
      expect(rung.ssim?.worst).toBeLessThanOrEqual(rung.ssim!.mean);
    }
    const shares = receipt.rungs.reduce((sum, { cpuShareSeconds }) => sum + cpuShareSeconds, 0);
    expect(shares).toBeCloseTo(receipt.cpuSeconds.video, 1);
    expect(receipt.fixedBitrateBytes).toBe((600_000 * 6) / 8);
    const videoBytes = receipt.rungs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    expect(receipt.savedPercent).toBeCloseTo(100 * (1 - videoBytes / receipt.fixedBitrateBytes), 1);
  });

  test('counts the rungs that the trial dropped among what fixed bitrates would take', () => {
    const dropped = { name: '54p', maxBitrateBps: 200_000, averageBps: 1, isKept: false };
    const facts = { chunks: [], audio: [] };
    const plan = { renditions: [], audio: [], totalFrames: 10, fps: { num: 10, den: 1 } } as unknown as Plan;
    const withTrialOf = {
      ...plan,
      encoder: { codec: 'libx264', preset: 'fast' },
      trial: { windows: [], rungs: [dropped] },
    };
    const empty = { ssim: new Map(), cpuSeconds: 0 };
    expect(receiptOf(withTrialOf as unknown as Plan, facts, empty).fixedBitrateBytes).toBe(25_000);
  });

  test('tells another film’s pictures from the source’s', async () => {
    const path = join(folder, 'six.mp4');
    const other = await makeFilm('other.mp4', 'rgbtestsrc=', 6);
    const plan = planJob(await probed(path), OPTIONS);
    const r2 = memoryR2();
    await encodeAll(other, plan, r2);
    const { ssim } = await onFile(path, ({ context }) => sampleQuality(context, plan), { r2 });
    expect(ssim.get('72p')?.mean).toBeLessThan(0.7);
  });

  test('comes without likeness where a segment is gone, and the job goes on', async () => {
    const path = join(folder, 'six.mp4');
    const plan = planJob(await probed(path), OPTIONS);
    const r2 = memoryR2();
    await encodeAll(path, plan, r2);
    const { segment } = samplePlaces(plan)[0]!;
    r2.objects.delete(`${PREFIX}stream_54p_${String(segment).padStart(3, '0')}.m4s`);
    const sample = await onFile(path, ({ context }) => sampleQuality(context, plan), { r2 });
    expect(sample.ssim.size).toBe(0);
  });
});

// Rungs of other encoders beside the H.264 ladder, made for real and certified.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { planKey } from '../../shared/object-keys.ts';
import { Plan, PlanOptions } from '../../shared/plan.ts';
import { withEncodersHere } from '../../transcoder/ffmpeg/extra-encoders.ts';
import { certificateOf } from '../support/certified.ts';
import { ffprobe, makeClip, makeFolder } from '../support/media.ts';
import { startStreamServer } from '../support/stream-server.ts';
import { JOB_PREFIX, runJobTask, runWholeJob, SOURCE_KEY, type WholeJob } from '../support/whole-job.ts';
import { memoryR2 } from './memory-r2.ts';

const row = (shortSidePixels: number) => ({ shortSidePixels, maxBitrateBps: 400_000 });
const OPTIONS = {
  ...{ segmentSeconds: 2, preset: 'ultrafast' as const, ladder: [row(90), row(180)] },
  extraRungs: [
    { ...row(180), encoder: 'libx265' as const },
    { ...row(90), encoder: 'libsvtav1' as const },
    { ...row(144), encoder: 'libsvtav1' as const },
  ],
};
const NAMES = ['90p', '180p', '180p-hevc', '90p-av1', '144p-av1'];
const SECONDS = 8;
const FRAMES = SECONDS * 30;

let folder: string;
let clip: string;
let job: WholeJob;

beforeAll(async () => {
  folder = await makeFolder('extra-rungs');
  clip = await makeClip(join(folder, 'clip.mp4'), { seconds: SECONDS });
  job = await runWholeJob(clip, { options: OPTIONS });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a job with rungs of other encoders', () => {
  test('has them beside its ladder, made by several chunks', () => {
    expect(job.plan.chunks.length).toBeGreaterThan(1);
    expect(job.plan.renditions.map(({ name }) => name)).toEqual(NAMES);
    expect(job.presentation.renditions.map(({ codecs }) => codecs)).toEqual([
      expect.stringMatching(/^avc1\./),
      expect.stringMatching(/^avc1\./),
      expect.stringMatching(/^hvc1\.1\.6\.L\d+\.90$/),
      expect.stringMatching(/^av01\.0\.\d\dM\.08$/),
      expect.stringMatching(/^av01\.0\.\d\dM\.08$/),
    ]);
    expect(job.presentation).toMatchObject({ width: 320, height: 180 });
    expect(job.receipt?.rungs.map(({ encoder }) => encoder)).toEqual([
      ...[undefined, undefined, 'libx265', 'libsvtav1', 'libsvtav1'],
    ]);
    for (const { ssim } of job.receipt!.rungs) expect(ssim?.mean).toBeGreaterThan(0.8);
  });

  test.each(NAMES)('has every picture of %s at its time, key pictures at the same', async (name) => {
    const path = join(folder, `${name}.mp4`);
    await writeFile(path, job.trackBytes(`stream_${name}`));
    const text = await ffprobe([
      ...['-show_entries', 'frame=key_frame,best_effort_timestamp', '-of', 'csv=p=0', path],
    ]);
    const frames = [...text.matchAll(/^([01]),(\d+)/gm)].map(([, isKey, ticks]) => [
      isKey === '1',
      Number(ticks),
    ]);
    const ticks = job.plan.timescale / 30;
    expect(frames).toEqual(
      Array.from({ length: FRAMES }, (_, index) => [
        ...[index % job.plan.gopFrames === 0, Number(frames[0]?.[1]) + index * ticks],
      ]),
    );
  });

  test('begins its master with the ladder, and has one adaptation set for each codec', () => {
    const variants = [...job.text('master.m3u8').matchAll(/#EXT-X-STREAM-INF:.*\n(.*)/g)].map(
      ([, uri]) => uri,
    );
    expect(variants.slice(0, 2).toSorted()).toEqual(['stream_180p.m3u8', 'stream_90p.m3u8']);
    expect(variants.slice(2)).toEqual([
      ...['stream_180p-hevc.m3u8', 'stream_90p-av1.m3u8', 'stream_144p-av1.m3u8'],
    ]);
    const sets = job.text('manifest.mpd').split('<AdaptationSet').slice(1);
    const stemsOf = (set: string) =>
      [...set.matchAll(/Representation id="(stream_[^"]*)"/g)].map(([, id]) => id);
    expect(sets.map(stemsOf).filter((stems) => stems.length > 0)).toEqual([
      ['stream_90p', 'stream_180p'],
      ['stream_180p-hevc'],
      ['stream_90p-av1', 'stream_144p-av1'],
    ]);
    const ids = sets.map((set) => /id="(\d+)"/.exec(set)?.[1]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('has a file of its ladder, not of another codec', () => {
    expect(job.presentation.hasProgressive).toBe(true);
    const progressive = Buffer.from(job.r2.objects.get(`${JOB_PREFIX}progressive.mp4`)!);
    expect([
      progressive.includes('avc1'),
      progressive.includes('hvc1'),
      progressive.includes('av01'),
    ]).toEqual([true, false, false]);
  });

  const filesOf = (made: WholeJob) =>
    new Map(
      [...made.r2.objects]
        .filter(([key]) => key.startsWith(JOB_PREFIX))
        .map(([key, bytes]) => [key.slice(JOB_PREFIX.length), { bytes }]),
    );

  test('passes the certificate of streams, to the last byte', async () => {
    await using server = await startStreamServer();
    const files = filesOf(job);
    for (const root of ['master.m3u8', 'manifest.mpd']) {
      const { checks, passed, notChecked } = await certificateOf(server, files, { root });
      expect(checks.filter(({ failed }) => failed > 0)).toEqual([]);
      expect(passed).toBe(true);
      expect(notChecked.filter((one) => /pictures/.test(JSON.stringify(one)))).toEqual([]);
    }
  });

  test.each([
    ['key-flags', 'is no key frame though it is marked as one', (byte: number) => byte | 0x20],
    ['segment-readable', 'is not made of whole units', undefined],
  ])('fails it as %s where a picture of AV1 %s', async (check, _fault, changed) => {
    await using server = await startStreamServer();
    const files = filesOf(job);
    const name = 'stream_90p-av1_001.m4s';
    const bytes = Buffer.from(files.get(name)!.bytes);
    const sample = bytes.indexOf('mdat') + 4;
    // The sequence header (0a) and its length, then the frame.
    expect(bytes[sample]).toBe(0x0a);
    const frame = sample + 2 + bytes[sample + 1]!;
    if (changed) {
      const sizeBytes = bytes.subarray(frame + 1).findIndex((byte) => byte < 0x80) + 1;
      const at = frame + 1 + sizeBytes;
      bytes[at] = changed(bytes[at]!);
    } else bytes.set([0xff, 0x7f], sample + 1); // 16,383 bytes
    files.set(name, { bytes });
    const { checks } = await certificateOf(server, files);
    expect(checks.filter(({ failed }) => failed > 0).map((one) => one.name)).toContain(check);
  });
});

describe('what cannot be had', () => {
  test('is left out under cenc, and said; under aes-128 it is there', async () => {
    const r2 = memoryR2({ [SOURCE_KEY]: await readFile(clip) });
    await runJobTask(r2, 'plan', { options: { ...OPTIONS, protection: 'cenc' } });
    const plan = Plan.parse(JSON.parse(new TextDecoder().decode(r2.objects.get(planKey('j1')))));
    expect(plan.renditions.map(({ name }) => name)).toEqual(['90p', '180p']);
    expect(plan.warnings).toEqual([
      expect.objectContaining({ code: 'extra_rungs_left_out', detail: expect.stringContaining('cenc') }),
    ]);
    const aes = await runWholeJob(clip, { options: { ...OPTIONS, protection: 'aes-128' } });
    expect(aes.presentation.renditions.map(({ codecs }) => codecs.split('.')[0])).toEqual([
      ...['avc1', 'avc1', 'hvc1', 'av01', 'av01'],
    ]);
    expect(aes.presentation.warnings).toBeUndefined();
  });

  test('is left out where ffmpeg has no such encoder', async () => {
    const options = PlanOptions.parse(OPTIONS);
    const slim = await withEncodersHere(
      options,
      async () => 'ffmpeg version 5.1 --enable-libx264 --enable-libx265',
    );
    expect(slim.options.extraRungs).toEqual([OPTIONS.extraRungs[0]]);
    expect(slim.warnings).toEqual([
      { code: 'extra_rungs_left_out', detail: expect.stringContaining('libsvtav1') },
    ]);
    expect(await withEncodersHere(options)).toEqual({ options, warnings: [] });
  });
});

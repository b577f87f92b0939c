import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { initName, segmentName } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import { encodeChunk } from '../../transcoder/stages/encode.ts';
import { ffmpeg, makeFolder } from '../support/media.ts';
import {
  asOneChunk,
  decode,
  encodeAll,
  onFile,
  PREFIX,
  planFile,
  plannedKeyTicks,
  writeTrack,
} from './encoding.ts';
import { memoryR2 } from './memory-r2.ts';

const TOP = 'stream_180p';
const STEMS = ['stream_90p', TOP];
let folder: string;
let clip: string;
let plan: Plan;

beforeAll(async () => {
  folder = await makeFolder('encode');
  clip = join(folder, 'clip.mp4');
  await ffmpeg([
    ...['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=30:d=4', '-c:v', 'libx264', '-preset', 'ultrafast'],
    ...['-g', '20', '-bf', '2', '-movflags', '+faststart', clip],
  ]);
  plan = await planFile(clip);
});

describe('a chunk', () => {
  test('meets its neighbours without a seam on every rung, and all share one init segment', async () => {
    expect(plan.chunks.length).toBeGreaterThan(1);
    const r2 = memoryR2();
    const chunks = await encodeAll(clip, plan, r2);
    for (const [rung, stem] of STEMS.entries()) {
      const tracks = chunks.map((facts) => facts.tracks[rung]!);
      expect(tracks.map((track) => track.stem)).toEqual(chunks.map(() => stem));
      expect(new Set(tracks.map((track) => track.init.sha256)).size).toBe(1);

      const segments = tracks.flatMap((track) => track.segments);
      expect(segments.map((segment) => segment.index)).toEqual([...Array(plan.segmentCount).keys()]);
      expect(segments.flatMap((segment) => segment.keyTicks)).toEqual(plannedKeyTicks(plan));
      let end = 0;
      for (const segment of segments) {
        expect(segment.startTicks).toBe(end);
        end += segment.durationTicks;
      }
      expect(end).toBe((plan.totalFrames * plan.timescale) / 30);

      const file = await writeTrack(r2, stem, plan.segmentCount, join(folder, `${stem}.mp4`));
      expect(await decode(file)).toEqual({ frames: plan.totalFrames, complaints: '' });
    }
  });

  test('stores a segment on every rung before it commits it, in order', async () => {
    const whole = asOneChunk(plan);
    const r2 = memoryR2();
    const storedAtCommit: number[] = [];
    const seen = await onFile(
      clip,
      async (task) => {
        const commit = task.context.commit;
        task.context.commit = async (mark) => {
          storedAtCommit.push(
            STEMS.filter((stem) => r2.objects.has(PREFIX + segmentName(stem, mark - 1))).length,
          );
          await commit(mark);
        };
        await encodeChunk(task.context, whole, whole.chunks[0]!);
        return task;
      },
      { r2 },
    );
    expect(seen.commits).toEqual([1, 2, 3, 4]);
    expect(storedAtCommit).toEqual([2, 2, 2, 2]);
    expect(seen.progress.at(-1)).toBe(plan.totalFrames);
  });

  test('numbers its fragments by GOP through the whole track, wherever it starts', async () => {
    const r2 = memoryR2();
    await encodeAll(clip, plan, r2);
    const numbers = await Promise.all(
      [0, 1, 2, 3].map(async (index) => {
        const bytes = Buffer.from(await r2.get(PREFIX + segmentName(TOP, index)));
        return bytes.readUInt32BE(bytes.indexOf('mfhd') + 8);
      }),
    );
    expect(numbers).toEqual([1, 2, 3, 4]);
  });
});

describe('a second attempt', () => {
  test('encodes only what is missing and takes the rest from what is stored', async () => {
    const whole = asOneChunk(plan);
    const first = memoryR2();
    const [before] = await encodeAll(clip, whole, first);
    const kept = [...first.objects].filter(([key]) => /init|_000|_001/.test(key));
    const r2 = memoryR2(Object.fromEntries(kept));

    const { facts, commits } = await onFile(
      clip,
      async ({ context, commits }) => ({
        facts: await encodeChunk(context, whole, whole.chunks[0]!),
        commits,
      }),
      { r2, mark: 2 },
    );
    expect(commits).toEqual([3, 4]);
    for (const [rung, track] of facts.tracks.entries()) {
      expect(track.init).toEqual(before!.tracks[rung]!.init);
      expect(track.segments.slice(0, 2)).toEqual(before!.tracks[rung]!.segments.slice(0, 2));
      expect(track.segments.map((segment) => segment.samples)).toEqual([30, 30, 30, 30]);
    }
    const file = await writeTrack(r2, TOP, 4, join(folder, 'resumed.mp4'));
    expect(await decode(file)).toEqual({ frames: 120, complaints: '' });
  });

  test('with everything committed reads the facts and starts no encoder', async () => {
    const whole = asOneChunk(plan);
    const r2 = memoryR2();
    const [before] = await encodeAll(clip, whole, r2);
    const facts = await onFile(
      join(folder, 'clip.mp4'),
      ({ context }) => {
        const noSource = { ...context, source: { ...context.source, url: 'http://127.0.0.1:1/gone' } };
        return encodeChunk(noSource, whole, whole.chunks[0]!);
      },
      { r2, mark: 4 },
    );
    expect(facts).toEqual({ ...before, cpuSeconds: 0 });
  });

  test('that finds a segment already stored takes the facts of the stored bytes', async () => {
    const whole = asOneChunk(plan);
    const other = memoryR2();
    const harder = { ...whole, renditions: whole.renditions.map((rung) => ({ ...rung, crf: 35 })) };
    const [stored] = await encodeAll(clip, harder, other);
    const key = PREFIX + segmentName(TOP, 1);
    const r2 = memoryR2({ [key]: await other.get(key) });

    const [facts] = await encodeAll(clip, whole, r2);
    const top = facts!.tracks[1]!.segments;
    expect(top[1]).toEqual(stored!.tracks[1]!.segments[1]);
    expect(top[2]!.sha256).not.toBe(stored!.tracks[1]!.segments[2]!.sha256);
    expect(await r2.get(key)).toEqual(await other.get(key));
  });

  test.each([
    { what: 'the same init segment is stored', change: (bytes: Buffer) => bytes, code: undefined },
    {
      what: 'another init segment is stored',
      // The level in avcC, as another encoder version might choose it.
      change: (bytes: Buffer) =>
        bytes.fill(
          bytes[bytes.indexOf('avcC') + 7]! + 1,
          bytes.indexOf('avcC') + 7,
          bytes.indexOf('avcC') + 8,
        ),
      code: 'init_mismatch',
    },
  ])('ends $code when $what', async ({ change, code }) => {
    const r2 = memoryR2();
    const first = plan.chunks[0]!;
    await onFile(clip, ({ context }) => encodeChunk(context, plan, first), { r2 });
    const key = PREFIX + initName(TOP);
    const init = change(Buffer.from(await r2.get(key)));
    const again = onFile(clip, ({ context }) => encodeChunk(context, plan, first), {
      r2: memoryR2({ [key]: init }),
    });
    if (code) await expect(again).rejects.toMatchObject({ code });
    else await expect(again).resolves.toMatchObject({ version: 1 });
  });
});

describe('a source that ends early', () => {
  /** 0.25 s at 30 frames per second. */
  const HELD = 8;

  test.each([
    { missing: HELD, code: undefined },
    { missing: HELD + 1, code: 'media_truncated' },
  ])('by $missing frames gives $code', async ({ missing, code }) => {
    const whole = asOneChunk(plan);
    const longer: Plan = { ...whole, totalFrames: whole.totalFrames + missing };
    const result = encodeAll(clip, longer);
    if (code) await expect(result).rejects.toMatchObject({ code });
    else expect((await result)[0]!.tracks[1]!.segments.at(-1)!.samples).toBe(30 + HELD);
  });

  test('because the upload was cut is told from the whole one, after what is there has been stored', async () => {
    const cut = join(folder, 'cut.mp4');
    const bytes = await readFile(clip);
    await writeFile(cut, bytes);
    await truncate(cut, Math.floor(bytes.length * 0.6));
    const whole = asOneChunk(plan);
    const r2 = memoryR2();
    await expect(encodeAll(cut, whole, r2)).rejects.toMatchObject({ code: 'media_truncated' });
    expect(r2.objects.has(PREFIX + segmentName(TOP, 0))).toBe(true);
    expect(r2.objects.has(PREFIX + segmentName(TOP, 3))).toBe(false);
    await expect(encodeAll(clip, whole)).resolves.toHaveLength(1);
  });
});

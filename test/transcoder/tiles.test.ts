// Tiles come out of the chunks' own decode: each shows exactly the frame it stands for, whatever the chunk.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { thumbnailName, tilesKey } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import { type PlannedThumbnails, planThumbnails } from '../../shared/plan-thumbnails.ts';
import { GrowingTiles } from '../../transcoder/growing-tiles.ts';
import { encodeChunk } from '../../transcoder/stages/encode.ts';
import { makeSheets } from '../../transcoder/stages/storyboard.ts';
import { ffmpeg, makeFolder } from '../support/media.ts';
import { asOneChunk, encodeAll, onFile, PREFIX, planFile } from './encoding.ts';
import { type MemoryR2, memoryR2 } from './memory-r2.ts';

const run = promisify(execFile);
/** Frame `n` of the clip is evenly gray, `n` steps above black; a JPEG spreads 219 levels over 255. */
const LUMA_PER_FRAME = 1.8;
const GRAY_PER_FRAME = (LUMA_PER_FRAME * 255) / 219;
const FRAMES = 120;
let folder: string;
let clip: string;
let plan: Plan;

beforeAll(async () => {
  folder = await makeFolder('tiles');
  clip = join(folder, 'gray.mp4');
  await ffmpeg([
    ...['-f', 'lavfi', '-i', `color=black:s=320x180:r=30:d=4,geq=lum='16+${LUMA_PER_FRAME}*N':cb=128:cr=128`],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-qp', '1', '-g', '20', '-pix_fmt', 'yuv420p', clip],
  ]);
  plan = await planFile(clip);
  expect(plan).toMatchObject({ totalFrames: FRAMES, segmentFrames: 30, segmentCount: 4 });
});

/** The plan with a tile every so many frames. */
function every(intervalFrames: number, of: Plan = plan): Plan & { thumbnails: PlannedThumbnails } {
  const length = { ...of, durationSeconds: of.source.durationSeconds };
  return {
    ...of,
    thumbnails: planThumbnails(length, { ...of, gopFrames: intervalFrames }, of.renditions[0]!),
  };
}

/** RGB of every picture of a JPEG stream, after a filter. */
async function colors(jpegs: Uint8Array, filter = 'null'): Promise<number[][]> {
  const path = join(folder, `${randomUUID()}.mjpg`);
  await writeFile(path, jpegs);
  const { stdout } = await run(
    'ffmpeg',
    [
      ...['-v', 'error', '-f', 'mjpeg', '-i', path, '-vf', `${filter},scale=1:1:flags=area,format=rgb24`],
      ...['-fps_mode', 'passthrough', '-f', 'rawvideo', '-'],
    ],
    { encoding: 'buffer' },
  );
  return Array.from({ length: stdout.length / 3 }, (_, at) => [...stdout.subarray(3 * at, 3 * at + 3)]);
}

/** Which frame of the gray clip each picture shows. */
async function framesShown(jpegs: Uint8Array, filter?: string): Promise<number[]> {
  return (await colors(jpegs, filter)).map(([gray]) => Math.round(gray! / GRAY_PER_FRAME));
}

async function tilesBySegment(r2: MemoryR2): Promise<(number[] | undefined)[]> {
  return Promise.all(
    [0, 1, 2, 3].map((segment) => {
      const jpegs = r2.objects.get(tilesKey('job', segment));
      return jpegs && framesShown(jpegs);
    }),
  );
}

describe('tiles of a segment', () => {
  test.each([
    { interval: 30, expected: [[0], [30], [60], [90]] },
    {
      interval: 10,
      expected: [
        [0, 10, 20],
        [30, 40, 50],
        [60, 70, 80],
        [90, 100, 110],
      ],
    },
    { interval: 60, expected: [[0], undefined, [60], undefined] },
  ])('show every $interval frames exactly, whichever chunk made them', async ({ interval, expected }) => {
    const r2 = memoryR2();
    await encodeAll(clip, every(interval), r2);
    expect(await tilesBySegment(r2)).toEqual(expected);
  });

  test('are durable before their segment is committed, so that a kill in mid-chunk loses none', async () => {
    const whole = every(10, asOneChunk(plan));
    const r2 = memoryR2();
    const killed = onFile(
      clip,
      ({ context }) => {
        const commit = async (mark: number) => {
          expect(r2.objects.has(tilesKey('job', mark - 1))).toBe(true);
          if (mark === 2) throw new Error('killed');
        };
        return encodeChunk({ ...context, commit }, whole, whole.chunks[0]!);
      },
      { r2 },
    );
    await expect(killed).rejects.toThrow('killed');
    expect(r2.objects.has(tilesKey('job', 3))).toBe(false);
    const before = new Map(r2.objects);

    // The commit of segment 1 was lost: its tiles are there, are made again, and the first ones stay.
    await onFile(clip, ({ context }) => encodeChunk(context, whole, whole.chunks[0]!), { r2, mark: 1 });
    expect(await tilesBySegment(r2)).toEqual([
      [0, 10, 20],
      [30, 40, 50],
      [60, 70, 80],
      [90, 100, 110],
    ]);
    for (const [key, bytes] of before) expect(r2.objects.get(key)).toEqual(bytes);
  });
});

describe('sheets', () => {
  test('hold every tile at its place, what has none filled up with black', async () => {
    const planned = every(10);
    const thumbnails = { ...planned.thumbnails, columns: 3, rows: 3, sheetCount: 3 };
    const r2 = memoryR2();
    await encodeAll(clip, planned, r2);
    const sheets = await onFile(clip, ({ context }) => makeSheets(context, { ...planned, thumbnails }), {
      r2,
    });
    expect(sheets?.map(({ name }) => name)).toEqual(['thumb_000.jpg', 'thumb_001.jpg', 'thumb_002.jpg']);
    const shown: number[] = [];
    for (const sheet of [0, 1, 2]) {
      shown.push(...(await framesShown(r2.objects.get(PREFIX + thumbnailName(sheet))!, 'untile=3x3')));
    }
    const tiles = Array.from({ length: 27 }, (_, tile) => (tile < 12 ? tile * 10 : 0));
    expect(shown).toEqual(tiles);
  });

  test.each([
    { what: 'a tile is missing', change: (tiles: Uint8Array) => tiles.subarray(0, -1), fails: true },
    { what: 'all are there', change: (tiles: Uint8Array) => tiles, fails: false },
  ])('are made only where all tiles are stored: $what', async ({ change, fails }) => {
    const r2 = memoryR2();
    await encodeAll(clip, plan, r2);
    r2.objects.set(tilesKey('job', 2), change(r2.objects.get(tilesKey('job', 2))!));
    const made = onFile(clip, ({ context }) => makeSheets(context, plan), { r2 });
    if (fails) await expect(made).rejects.toMatchObject({ code: 'verification_failed' });
    else await expect(made).resolves.toHaveLength(1);
  });
});

describe('a tile', () => {
  const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-qp', '1', '-pix_fmt', 'yuv420p'];
  const firstTile = async (path: string): Promise<{ jpeg: Uint8Array; thumbnails: PlannedThumbnails }> => {
    const made = await planFile(path);
    const r2 = memoryR2();
    await encodeAll(path, made, r2);
    return { jpeg: r2.objects.get(tilesKey('job', 0))!, thumbnails: made.thumbnails! };
  };

  test('of a turned recording stands upright', async () => {
    const flat = join(folder, 'flat.mov');
    const turned = join(folder, 'turned.mov');
    const graph = 'color=red:s=160x180:r=30:d=1[l];color=blue:s=160x180:r=30:d=1[r];[l][r]hstack';
    await ffmpeg(['-filter_complex', graph, ...X264, flat]);
    await ffmpeg(['-i', flat, '-c', 'copy', '-metadata:s:v', 'rotate=90', turned]);
    const { jpeg, thumbnails } = await firstTile(turned);
    const { tileWidth, tileHeight } = thumbnails;
    expect([tileWidth, tileHeight]).toEqual([90, 160]);
    const half = `crop=${tileWidth}:${tileHeight / 2 - 8}`;
    const [[top], [bottom]] = [
      await colors(jpeg, `${half}:0:0`),
      await colors(jpeg, `${half}:0:${tileHeight / 2 + 8}`),
    ];
    // ffmpeg 5.1 writes a turn to the left: what was on the right is on top.
    expect(top![2]).toBeGreaterThan(200);
    expect(bottom![0]).toBeGreaterThan(200);
  });

  test.each([
    { matrix: 'bt709', size: '1280x720' },
    { matrix: 'smpte170m', size: '640x360' },
  ])('has the colours of its source: $matrix', async ({ matrix, size }) => {
    const path = join(folder, `${matrix}.mp4`);
    const scaler = matrix === 'bt709' ? 'bt709' : 'bt601';
    await ffmpeg([
      ...['-f', 'lavfi', '-i', `color=0x20A050:s=${size}:r=30:d=0.5,format=gbrp`],
      ...['-vf', `scale=out_color_matrix=${scaler}:out_range=tv,format=yuv420p`, ...X264],
      ...['-colorspace', matrix, '-color_primaries', matrix, '-color_trc', matrix, path],
    ]);
    const [color] = await colors((await firstTile(path)).jpeg);
    for (const [channel, value] of [0x20, 0xa0, 0x50].entries()) {
      expect(Math.abs(color![channel]! - value)).toBeLessThanOrEqual(4);
    }
  });
});

describe('reading tiles while they are written', () => {
  test('gives whole pictures alone, and none after the writer ended in the middle of one', async () => {
    const path = join(folder, 'growing.mjpg');
    // A table that happens to hold the bytes of an end marker, then a scan with an escaped 0xff.
    const jpeg = Uint8Array.from([
      ...[0xff, 0xd8, 0xff, 0xdb, 0, 4, 0xff, 0xd9, 0xff, 0xda, 0, 2, 1, 0xff, 0, 2, 0xff, 0xd9],
    ]);
    const writer = { hasEnded: false };
    await using tiles = new GrowingTiles(path, writer);
    const first = tiles.next(2);
    await writeFile(path, jpeg);
    await writeFile(path, jpeg, { flag: 'a' });
    expect(await first).toEqual(Uint8Array.from([...jpeg, ...jpeg]));
    await writeFile(path, jpeg.subarray(0, -1), { flag: 'a' });
    const second = tiles.next(1);
    writer.hasEnded = true;
    expect(await second).toBeUndefined();
  });
});

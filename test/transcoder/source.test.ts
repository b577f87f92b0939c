import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { BLOCK_BYTES, createBlockCache } from '../../transcoder/block-cache.ts';
import { runFfprobe, startFfmpeg } from '../../transcoder/ffmpeg/run.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { openSource, type Source } from '../../transcoder/source.ts';
import { memoryR2 } from './memory-r2.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});

async function sourceOf(bytes: Uint8Array, options: { cacheBytes?: number } = {}) {
  const scratch = await createScratch('source-test');
  const r2 = memoryR2({ 'sources/v/u': bytes });
  const source = await openSource(
    r2,
    { key: 'sources/v/u', etag: 'etag', sizeBytes: bytes.length },
    scratch,
    options,
  );
  open.push(scratch, source);
  return { scratch, r2, source };
}

async function fetchRange(source: Source, range?: string, method = 'GET') {
  const response = await fetch(source.url, { method, headers: range ? { range } : {} });
  const bytes = new Uint8Array(await response.arrayBuffer());
  return { status: response.status, bytes, contentRange: response.headers.get('content-range'), response };
}

describe('the loopback server', () => {
  const bytes = randomBytes(2 * BLOCK_BYTES + 12_345);
  const last = bytes.length - 1;

  test.each([
    ['bytes=0-0', 0, 0],
    ['bytes=10-99', 10, 99],
    [`bytes=${BLOCK_BYTES - 1}-${BLOCK_BYTES}`, BLOCK_BYTES - 1, BLOCK_BYTES],
    [`bytes=${BLOCK_BYTES}-`, BLOCK_BYTES, last],
    ['bytes=0-', 0, last],
    ['bytes=-1', last, last],
    ['bytes=-5000', last - 4999, last],
    [`bytes=-${10 * bytes.length}`, 0, last],
    [`bytes=${last}-${10 * bytes.length}`, last, last],
  ])('answers %s with exactly those bytes', async (range, from, to) => {
    const { source } = await sourceOf(bytes);
    const answer = await fetchRange(source, range);
    expect(answer.status).toBe(206);
    expect(answer.contentRange).toBe(`bytes ${from}-${to}/${bytes.length}`);
    expect(Buffer.compare(answer.bytes, bytes.subarray(from, to + 1))).toBe(0);
  });

  test.each([`bytes=${bytes.length}-`, 'bytes=-0'])(
    'answers 416 to %s, which lies outside',
    async (range) => {
      const { source } = await sourceOf(bytes);
      const answer = await fetchRange(source, range);
      expect(answer.status).toBe(416);
      expect(answer.contentRange).toBe(`bytes */${bytes.length}`);
    },
  );

  test.each([undefined, 'bytes=5-2', 'bytes=a-b', 'bytes=-', 'bytes=0-1,4-5', 'items=0-1'])(
    'answers the whole to Range %s',
    async (range) => {
      const { source } = await sourceOf(bytes);
      const answer = await fetchRange(source, range);
      expect(answer.status).toBe(200);
      expect(Buffer.compare(answer.bytes, bytes)).toBe(0);
    },
  );

  test('answers HEAD with the length and no body', async () => {
    const { source } = await sourceOf(bytes);
    const answer = await fetchRange(source, undefined, 'HEAD');
    expect(answer.response.headers.get('content-length')).toBe(String(bytes.length));
    expect(answer.response.headers.get('accept-ranges')).toBe('bytes');
    expect(answer.bytes.length).toBe(0);
  });

  test('knows one path and two methods', async () => {
    const { source } = await sourceOf(bytes);
    expect((await fetch(new URL('/', source.url))).status).toBe(404);
    expect((await fetch(`${source.url}0`)).status).toBe(404);
    expect((await fetch(source.url, { method: 'POST' })).status).toBe(405);
    expect(new URL(source.url).hostname).toBe('127.0.0.1');
    expect(new URL(source.url).pathname.length).toBeGreaterThan(40);
  });

  test('breaks the connection when a read fails, so that the answer never looks complete', async () => {
    const { source, r2 } = await sourceOf(bytes);
    const outage = new AppError('storage_unavailable');
    r2.failWhen = (offset) => (offset >= BLOCK_BYTES ? outage : undefined);
    await expect(fetchRange(source)).rejects.toThrow();
    expect(source.failure).toBe(outage);
    r2.failWhen = undefined;
    expect((await fetchRange(source)).bytes.length).toBe(bytes.length);
    expect(source.failure).toBeUndefined();
  });

  test('goes on when a reader leaves in the middle', async () => {
    const { source } = await sourceOf(bytes);
    await new Promise<void>((resolve) => {
      const going = request(source.url, (response) => response.once('data', () => going.destroy()));
      going.once('close', resolve).once('error', () => undefined);
      going.end();
    });
    expect((await fetchRange(source, 'bytes=-10')).bytes.length).toBe(10);
  });

  test('is gone with its cache when closed', async () => {
    const { source, scratch } = await sourceOf(bytes);
    await fetchRange(source, 'bytes=0-10');
    expect(await readdir(scratch.directory)).toEqual([expect.stringMatching(/^source-.*\.cache$/)]);
    await source[Symbol.asyncDispose]();
    open.pop();
    expect(await readdir(scratch.directory)).toEqual([]);
    await expect(fetch(source.url)).rejects.toThrow();
  });

  test('serves a video to ffprobe and ffmpeg from a cache smaller than the file', async () => {
    const scratch = await createScratch('clip');
    open.push(scratch);
    const limits = { wallSeconds: 60, memoryBytes: 2 ** 30 };
    const run = { directory: scratch.directory, limits };
    const lavfi = 'testsrc2=size=320x180:rate=30:duration=2';
    await startFfmpeg(
      {
        inputs: [{ options: ['-v', 'error', '-f', 'lavfi'], url: lavfi }],
        outputs: [{ options: ['-c:v', 'rawvideo', '-f', 'matroska'], path: scratch.path('clip.mkv') }],
      },
      run,
    ).done;
    const clip = await readFile(scratch.path('clip.mkv'));
    expect(clip.length).toBeGreaterThan(BLOCK_BYTES);
    const { source } = await sourceOf(clip, { cacheBytes: 1 });
    const options = [
      '-v',
      'error',
      '-count_packets',
      '-of',
      'csv=p=0',
      '-show_entries',
      'stream=nb_read_packets',
    ];
    expect((await runFfprobe(options, source.url, run)).trim()).toBe('60');
    const seek: string[] = [];
    await startFfmpeg(
      {
        inputs: [{ options: ['-v', 'error', '-ss', '1.5'], url: source.url }],
        outputs: [{ options: ['-c', 'copy', '-f', 'null'], path: '/dev/null' }],
      },
      { ...run, onProgress: ({ frames }) => seek.push(String(frames)) },
    ).done;
    expect(seek.at(-1)).toBe('15');
  });
});

describe('read', () => {
  const bytes = randomBytes(BLOCK_BYTES + 100);

  test('gives exactly the bytes, across blocks', async () => {
    const { source } = await sourceOf(bytes);
    expect(Buffer.compare(await source.read(0, bytes.length), bytes)).toBe(0);
    expect(
      Buffer.compare(
        await source.read(BLOCK_BYTES - 5, 10),
        bytes.subarray(BLOCK_BYTES - 5, BLOCK_BYTES + 5),
      ),
    ).toBe(0);
    expect((await source.read(bytes.length, 0)).length).toBe(0);
  });

  test('refuses what lies outside the object', async () => {
    const { source } = await sourceOf(bytes);
    await expect(source.read(bytes.length - 1, 2)).rejects.toThrow(RangeError);
    await expect(source.read(-1, 2)).rejects.toThrow(RangeError);
    await expect(source.read(bytes.length - 2, 2)).resolves.toHaveLength(2);
  });

  test('tells when the source changed', async () => {
    const { source, r2 } = await sourceOf(bytes);
    r2.failWhen = () => new AppError('source_changed');
    await expect(source.read(0, 1)).rejects.toMatchObject({ code: 'source_changed' });
  });
});

describe('the block cache', () => {
  const BLOCK = 1000;

  async function cacheOf(sizeBytes: number, slots: number, scratch: Scratch) {
    const bytes = randomBytes(sizeBytes);
    const fetched: number[] = [];
    let gate: Promise<void> | undefined;
    const path = scratch.path('blocks');
    const cache = await createBlockCache({
      path,
      sizeBytes,
      budgetBytes: slots * BLOCK,
      blockBytes: BLOCK,
      async fetchBlock(offset, length) {
        fetched.push(offset / BLOCK);
        await gate;
        return bytes.subarray(offset, offset + length);
      },
    });
    open.push(cache);
    const at = async (block: number) => {
      const piece = await cache.read(block * BLOCK + 1, 10);
      expect(Buffer.compare(piece, bytes.subarray(block * BLOCK + 1, block * BLOCK + 11))).toBe(0);
    };
    return { cache, fetched, at, path, hold: (promise: Promise<void>) => (gate = promise) };
  }

  async function scratchDirectory(): Promise<Scratch> {
    const scratch = await createScratch('cache-test');
    open.push(scratch);
    return scratch;
  }

  test('keeps what was used last, drops what was used longest ago, and stays in its budget', async () => {
    const { fetched, at, path } = await cacheOf(10 * BLOCK, 4, await scratchDirectory());
    for (const block of [0, 1, 2, 3, 0, 4]) await at(block);
    expect(fetched).toEqual([0, 1, 2, 3, 4]);
    await at(0);
    expect(fetched).toEqual([0, 1, 2, 3, 4]);
    await at(1);
    expect(fetched).toEqual([0, 1, 2, 3, 4, 1]);
    for (let round = 0; round < 3; round++) for (let block = 0; block < 10; block++) await at(block);
    expect((await stat(path)).size).toBeLessThanOrEqual(4 * BLOCK);
  });

  test('fetches a block once for all who want it at the same time', async () => {
    const { fetched, at, hold } = await cacheOf(3 * BLOCK, 4, await scratchDirectory());
    const gate = Promise.withResolvers<void>();
    hold(gate.promise);
    const readers = [at(1), at(1), at(1)];
    gate.resolve();
    await Promise.all(readers);
    expect(fetched).toEqual([1]);
  });

  test('serves more readers than it has slots', async () => {
    const { at } = await cacheOf(40 * BLOCK, 4, await scratchDirectory());
    await Promise.all(Array.from({ length: 200 }, (_, index) => at((index * 7) % 40)));
  });

  test('fetches again after a failure, and loses no slot by it', async () => {
    const scratch = await scratchDirectory();
    let isDown = true;
    let fetches = 0;
    const cache = await createBlockCache({
      path: scratch.path('blocks'),
      sizeBytes: 8 * BLOCK,
      budgetBytes: 4 * BLOCK,
      blockBytes: BLOCK,
      async fetchBlock(_offset, length) {
        fetches += 1;
        if (isDown) throw new AppError('storage_unavailable');
        return new Uint8Array(length);
      },
    });
    open.push(cache);
    for (let attempt = 0; attempt < 20; attempt++) {
      const both = await Promise.allSettled([cache.read(0, 1), cache.read(0, 1)]);
      expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    }
    isDown = false;
    fetches = 0;
    for (let block = 0; block < 4; block++) await cache.read(block * BLOCK, 1);
    for (let block = 0; block < 4; block++) await cache.read(block * BLOCK, 1);
    expect(fetches).toBe(4);
  });

  test('fetches ahead without being read', async () => {
    const { cache, fetched, at } = await cacheOf(4 * BLOCK, 4, await scratchDirectory());
    cache.prefetch(2 * BLOCK);
    cache.prefetch(4 * BLOCK);
    await at(2);
    expect(fetched).toEqual([2]);
  });
});

test('a reader who reads on finds the next block fetched ahead', async () => {
  const bytes = randomBytes(4 * BLOCK_BYTES);
  const { source, r2 } = await sourceOf(bytes);
  await fetchRange(source, `bytes=0-${BLOCK_BYTES - 1}`);
  expect(r2.reads).toEqual([0]);
  await fetchRange(source);
  expect(r2.reads).toEqual([0, 2, 1, 3].map((block) => block * BLOCK_BYTES));
});

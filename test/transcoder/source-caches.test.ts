import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { BLOCK_BYTES } from '../../transcoder/block-cache.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { openSource } from '../../transcoder/source.ts';
import { createSourceCaches, type SourceCachesOptions } from '../../transcoder/source-caches.ts';
import { memoryR2 } from './memory-r2.ts';

const BYTES = randomBytes(3 * BLOCK_BYTES);
const KEYS = ['sources/v/a', 'sources/v/b', 'sources/v/c'];

let scratch: Scratch;
beforeEach(async () => {
  scratch = await createScratch('caches-test');
});
afterEach(() => scratch[Symbol.asyncDispose]());

function stage(options: Partial<SourceCachesOptions> = {}) {
  const r2 = memoryR2(Object.fromEntries(KEYS.map((key) => [key, BYTES])));
  const caches = createSourceCaches({ directory: scratch.directory, ...options });
  const sourceOf = (key = KEYS[0]!, etag = 'etag') => ({ key, etag, sizeBytes: BYTES.length });
  const open = (key?: string, etag?: string) => caches.open(r2, sourceOf(key, etag));
  return { r2, caches, open, sourceOf };
}

const files = async () => (await readdir(scratch.directory)).filter((name) => name.endsWith('.cache')).length;

describe('the caches of a transcoder', () => {
  test('read a source once for tasks side by side and one after another', async () => {
    const { caches, open } = stage();
    const [plan, chunk] = await Promise.all([open(), open()]);
    await Promise.all([plan.read(0, 10), chunk.read(5, 10)]);
    await plan[Symbol.asyncDispose]();
    await chunk.read(BLOCK_BYTES, 10);
    await chunk[Symbol.asyncDispose]();
    await using later = await open();
    const bytes = await later.read(BLOCK_BYTES + 7, 20);
    expect(Buffer.compare(bytes, BYTES.subarray(BLOCK_BYTES + 7, BLOCK_BYTES + 27))).toBe(0);
    expect(caches.fetches).toBe(2);
    expect(await files()).toBe(1);
  });

  test('hold a changed object apart from what it was', async () => {
    const { caches, open } = stage({ maxCaches: 2 });
    await using before = await open(KEYS[0], 'old');
    await using after = await open(KEYS[0], 'new');
    await before.read(0, 1);
    await after.read(0, 1);
    expect(caches.fetches).toBe(2);
  });

  test('give way to other sources when nobody reads them, and never before', async () => {
    const { caches, open } = stage({ maxCaches: 2 });
    await using held = await open(KEYS[0]);
    await held.read(0, 1);
    await (await open(KEYS[1]))[Symbol.asyncDispose]();
    expect(await files()).toBe(2);
    await using other = await open(KEYS[2]);
    await other.read(0, 1);
    expect(await files()).toBe(2);
    await held.read(1, 1);
    expect(caches.fetches).toBe(2);
  });

  test('are gone some time after the last reader', async () => {
    const { open } = stage({ idleMs: 20 });
    const lease = await open();
    await lease.read(0, 1);
    expect(await files()).toBe(1);
    await lease[Symbol.asyncDispose]();
    await expect.poll(files, { timeout: 20_000 }).toBe(0);
  });

  test('use the access of the newest reader', async () => {
    const { r2, caches, sourceOf, open } = stage();
    await using old = await open();
    r2.failWhen = () => new AppError('forbidden');
    const renewed = memoryR2({ [KEYS[0]!]: BYTES });
    await using fresh = await caches.open(renewed, sourceOf());
    await old.read(0, 1);
    await fresh.read(BLOCK_BYTES, 1);
    expect(renewed.reads).toEqual([0, BLOCK_BYTES]);
  });
});

describe('a task on a shared source', () => {
  test('that goes leaves the others reading, by their own URLs', async () => {
    const { r2, caches, sourceOf } = stage();
    const first = await openSource(r2, sourceOf(), scratch, { caches });
    await using second = await openSource(r2, sourceOf(), scratch, { caches });
    expect(first.url).not.toBe(second.url);
    const reading = fetch(second.url).then((response) => response.arrayBuffer());
    const cut = fetch(first.url).then((response) => response.arrayBuffer());
    await Promise.all([first[Symbol.asyncDispose](), cut.catch(() => undefined)]);
    expect(Buffer.compare(Buffer.from(await reading), BYTES)).toBe(0);
    await expect(fetch(first.url)).rejects.toThrow();
    expect(caches.fetches).toBe(3);
  });

  test('is not failed by what another could not read', async () => {
    const { r2, open } = stage();
    await using unlucky = await open();
    await using other = await open();
    const outage = new AppError('storage_unavailable');
    r2.failWhen = (offset) => (offset === 0 ? outage : undefined);
    await expect(unlucky.read(0, 1)).rejects.toBe(outage);
    await other.read(BLOCK_BYTES, 1);
    expect(unlucky.failure).toBe(outage);
    expect(other.failure).toBeUndefined();
    r2.failWhen = undefined;
    await unlucky.read(0, 1);
    expect(unlucky.failure).toBeUndefined();
  });
});

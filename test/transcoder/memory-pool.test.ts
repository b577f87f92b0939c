// Who may use how much memory at a time, when some pictures need more than a slot's share.
import { describe, expect, test } from 'vitest';
import { GIB } from '../../shared/limits.ts';
import type { Plan } from '../../shared/plan.ts';
import { createMemoryPool, memoryNeededBytes } from '../../transcoder/memory-pool.ts';

const never = new AbortController().signal;
const pool = () => createMemoryPool({ slots: 4, limits: { memoryBytes: GIB } });

function planOf(width: number, height: number): Pick<Plan, 'source' | 'renditions'> {
  const rung = { name: '', width, height, crf: 23, maxBitrateBps: 1, bufferBits: 1 };
  return { source: { codedWidth: width, codedHeight: height } as Plan['source'], renditions: [rung] };
}

/** Whether a promise has settled once everything that can happen now has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => (settled = true),
    () => (settled = true),
  );
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

test('a plan needs 1.2 GiB up to 1080p and 3 GiB at 2160p, by what is decoded or made, whichever is larger', () => {
  expect(memoryNeededBytes(planOf(640, 360)) / GIB).toBeCloseTo(1.2, 5);
  expect(memoryNeededBytes(planOf(1080, 1920)) / GIB).toBeCloseTo(1.2, 5);
  expect(memoryNeededBytes(planOf(3840, 2160)) / GIB).toBeCloseTo(3, 5);
  expect(memoryNeededBytes(planOf(2560, 1440)) / GIB).toBeCloseTo(1.66, 1);
  const shrunk = { ...planOf(640, 360), source: planOf(3840, 2160).source };
  expect(memoryNeededBytes(shrunk) / GIB).toBeCloseTo(3, 5);
});

test('a plan with rungs of other encoders needs more, by their pixels', () => {
  const { source, renditions } = planOf(1920, 1080);
  const extra = { ...renditions[0]!, encoder: 'libsvtav1' as const };
  expect(memoryNeededBytes({ source, renditions: [...renditions, extra] }) / GIB).toBeCloseTo(1.62, 1);
});

describe('a machine of four slots', () => {
  test('works on four tasks at a time, each with its share at least', async () => {
    const memory = pool();
    const shares = await Promise.all([1, 2, 3, 4].map(() => memory.take(0.1 * GIB, never)));
    expect(shares.map(({ bytes }) => bytes)).toEqual([GIB, GIB, GIB, GIB]);
    const fifth = memory.take(GIB, never);
    expect(await isSettled(fifth)).toBe(false);
    shares[0]![Symbol.dispose]();
    expect(await isSettled(fifth)).toBe(true);
  });

  test('lets a large task wait for room, and nobody pass it', async () => {
    const memory = pool();
    const small = await Promise.all([memory.take(GIB, never), memory.take(GIB, never)]);
    const large = memory.take(3 * GIB, never);
    const later = memory.take(GIB, never);
    expect(await isSettled(large)).toBe(false);
    expect(await isSettled(later)).toBe(false);
    small[0]![Symbol.dispose]();
    expect((await large).bytes).toBe(3 * GIB);
    expect(await isSettled(later)).toBe(false);
    small[1]![Symbol.dispose]();
    expect(await isSettled(later)).toBe(true);
  });

  test('gives all it has to a task that needs more than there is', async () => {
    const memory = pool();
    const share = await memory.take(9 * GIB, never);
    expect(share.bytes).toBe(4 * GIB);
    share[Symbol.dispose]();
    share[Symbol.dispose](); // once is enough
    expect((await memory.take(4 * GIB, never)).bytes).toBe(4 * GIB);
  });

  test('forgets a task that is stopped while it waits', async () => {
    const memory = pool();
    const first = await memory.take(2 * GIB, never);
    const stop = new AbortController();
    const large = memory.take(3 * GIB, stop.signal);
    const later = memory.take(2 * GIB, never);
    expect(await isSettled(later)).toBe(false);
    stop.abort(new Error('the lease is lost'));
    await expect(large).rejects.toThrow('the lease is lost');
    expect(await isSettled(later)).toBe(true);
    first[Symbol.dispose]();
  });
});

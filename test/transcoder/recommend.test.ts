// The whole of a training run against a stand-in of the ledger: real threads, real objects, the model as it is read.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { createLog } from '../../shared/log.ts';
import { recommendExportKey, recommendModelPrefix } from '../../shared/object-keys.ts';
import type { RecommendClaim, RecommendFailure } from '../../shared/recommend-api.ts';
import { dequantize, foldIn, topItems } from '../../shared/recommend-fold-in.ts';
import {
  type ExportRow,
  ModelSummary,
  NeighbourShard,
  readFactors,
  TopList,
} from '../../shared/recommend-model.ts';
import { alternate } from '../../transcoder/recommend/alternate.ts';
import { InteractionReader } from '../../transcoder/recommend/interactions.ts';
import { neighboursOf } from '../../transcoder/recommend/neighbours.ts';
import type { TrainingCalls } from '../../transcoder/recommend/recommend-client.ts';
import { performTraining } from '../../transcoder/recommend/train.ts';
import { memoryR2 } from './memory-r2.ts';

const log = createLog();
const RUN = 'run-1';
const DAY = 86_400;
const NOW = 1_760_000_000;
const encode = (rows: ExportRow[]) =>
  new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));

/** Viewers of even numbers watch even videos, odd ones odd ones; video 9 is the newest rage. */
function tastes(): ExportRow[] {
  return Array.from({ length: 60 }, (_, viewer) => viewer).flatMap((viewer) => [
    ...Array.from({ length: 12 }, (_, step) => ({
      viewer,
      video: `video-${String((((viewer >> 1) * 3 + step * 2) % 40) * 2 + (viewer % 2)).padStart(2, '0')}`,
      weight: 1,
      at: NOW - 30 * DAY,
    })),
    ...(viewer % 3 === 0 ? [{ viewer, video: 'video-rage', weight: 1, at: NOW }] : []),
  ]);
}

function stand(parts: Uint8Array[]) {
  const r2 = memoryR2(
    Object.fromEntries(parts.map((bytes, part) => [recommendExportKey(RUN, part), bytes] as const)),
  );
  const claim: RecommendClaim = {
    ...{ jobToken: 't', leaseSeconds: 90, heartbeatSeconds: 15, runId: RUN, epoch: 1 },
    modelPrefix: recommendModelPrefix(RUN, 1),
    storage: { endpoint: 'http://127.0.0.1:1', bucket: 'b', accessKeyId: 'a', secretAccessKey: 's' },
  };
  const told: { done?: ModelSummary; failed?: RecommendFailure; isReleased?: boolean; exports: number } = {
    exports: 0,
  };
  const calls: TrainingCalls = {
    heartbeat: async () => ({ leaseSeconds: 90 }),
    async exportPart() {
      told.exports++;
      return { parts: Math.min(told.exports, parts.length), rows: 1, isDone: told.exports >= parts.length };
    },
    async done(summary) {
      told.done = summary;
    },
    async fail(failure) {
      told.failed = failure;
    },
    async release() {
      told.isReleased = true;
    },
  };
  const perform = (options: { drain?: AbortSignal; maxFactorItems?: number } = {}) =>
    performTraining(
      claim,
      {
        ...{ calls: { run: () => calls }, openStorage: () => r2, threads: 2, log },
        ...(options.maxFactorItems !== undefined && { maxFactorItems: options.maxFactorItems }),
      },
      options.drain ?? new AbortController().signal,
    );
  const read = (name: string) => {
    const bytes = r2.objects.get(claim.modelPrefix + name);
    return bytes && JSON.parse(new TextDecoder().decode(bytes));
  };
  return { r2, claim, calls, told, perform, read };
}

describe('a training run', () => {
  const rows = tastes();
  const run = stand([encode(rows.slice(0, 100)), encode(rows.slice(100, 101)), encode(rows.slice(101))]);
  beforeAll(() => run.perform());
  afterAll(() => run.r2.objects.clear());

  it('reads every part and reports what it has stored', () => {
    expect(run.told).toMatchObject({ exports: 3, done: { viewers: 60, items: 81, rows: rows.length } });
    expect(run.told.failed).toBeUndefined();
    expect(ModelSummary.parse(run.read('model.json'))).toEqual(run.told.done);
  });

  it('leaves factors by which a new viewer is given more of their taste', () => {
    const { factors, alpha } = run.told.done!;
    const ids = run.read('items.json') as string[];
    expect(ids).toEqual([...new Set(rows.map(({ video }) => video))].sort());
    const bytes = run.r2.objects.get(`${run.claim.modelPrefix}factors.bin`)!;
    const { gram, quantized } = readFactors(bytes.slice().buffer, factors, ids.length);
    const items = Uint32Array.from([ids.indexOf('video-02'), ids.indexOf('video-06')]);
    const history = { items, weights: Float32Array.of(1, 1) };
    const viewer = foldIn(history, dequantize(quantized, factors, items), gram, { factors, alpha });
    const top = topItems(viewer.factors, quantized, 10, new Set(items)).map(({ item }) => ids[item]!);
    const even = top.filter((id) => Number(id.slice(6)) % 2 === 0 || id === 'video-rage');
    expect(even).toHaveLength(10);
  });

  it('leaves neighbours of one taste, and a top list that what is new leads', () => {
    const neighbours = NeighbourShard.parse(run.read('neighbours_0.json'));
    expect(Object.keys(neighbours)).toHaveLength(81);
    const near = neighbours['video-03']!.map(([id]) => id).filter((id) => id !== 'video-rage');
    expect(near.length).toBeGreaterThan(5);
    expect(near.every((id) => Number(id.slice(6)) % 2 === 1)).toBe(true);
    expect(TopList.parse(run.read('top.json'))[0]).toEqual(['video-rage', 1]);
  });
});

describe('a training run of more videos than an isolate has room for', () => {
  it('has neighbours and top lists alone', async () => {
    const run = stand([encode(tastes())]);
    await run.perform({ maxFactorItems: 80 });
    expect(run.told.done).toMatchObject({ hasFactors: false, items: 81 });
    const names = [...run.r2.objects.keys()].map((key) => key.split('/').at(-1)).sort();
    expect(names).toEqual(['model.json', 'neighbours_0.json', 'part-00000.ndjson', 'top.json']);
    const twin = stand([encode(tastes())]);
    await twin.perform({ maxFactorItems: 81 });
    expect(twin.told.done).toMatchObject({ hasFactors: true });
  });
});

describe('a training run that cannot go on', () => {
  it('says that nobody has watched anything, which trying again does not change', async () => {
    const run = stand([]);
    await run.perform();
    expect(run.told.failed).toMatchObject({ code: 'recommend_no_history', mayRetry: false });
    expect(run.r2.objects.size).toBe(0);
  });

  it.each([
    ['no line of an export', '{"viewer":-1,"video":"v","weight":1,"at":1}\n', 'recommend_failed'],
    ['half a line', '{"viewer":0,"vid', 'recommend_failed'],
    ['a whole line', '{"viewer":0,"video":"v","weight":1,"at":1}\n', undefined],
  ])('fails on %s: %s', async (_name, text, code) => {
    const run = stand([new TextEncoder().encode(text)]);
    await run.perform();
    expect(run.told.failed?.code).toBe(code);
    expect(run.told.done === undefined).toBe(code !== undefined);
  });

  it('is given back when the transcoder stops, and dropped without a word when it was lost', async () => {
    const drain = AbortSignal.abort();
    const stopped = stand([encode(tastes()), encode(tastes())]);
    await stopped.perform({ drain });
    expect(stopped.told).toMatchObject({ isReleased: true });
    expect(stopped.told.done).toBeUndefined();
    const lost = stand([encode(tastes())]);
    lost.calls.exportPart = async () => {
      throw new AppError('lease_lost');
    };
    await lost.perform();
    expect(lost.told).toEqual({ exports: 0 });
  });
});

describe('training', () => {
  it('gives the same factors on one thread and on three', async () => {
    const reader = new InteractionReader();
    reader.addPart(encode(tastes()));
    const { viewers, itemIds } = reader.finish();
    const settings = { factors: 8, alpha: 10, lambda: 1, iterations: 3 };
    const alone = await alternate(viewers, itemIds.length, { ...settings, threads: 1 });
    const together = await alternate(viewers, itemIds.length, { ...settings, threads: 3 });
    expect([...together]).toEqual([...alone]);
    expect(alone.some((value) => Math.abs(value) > 0.1)).toBe(true);
  });

  it('takes pairs in any order of parts and lines', () => {
    const read = (rows: ExportRow[]) => {
      const reader = new InteractionReader();
      reader.addPart(encode(rows));
      const { viewers, itemIds } = reader.finish();
      return [...viewers.offsets]
        .slice(1)
        .map((to, viewer) =>
          [...viewers.columns.subarray(viewers.offsets[viewer], to)].map((column) => itemIds[column]).sort(),
        );
    };
    const rows = tastes();
    expect(read(rows.toReversed())).toEqual(read(rows));
  });

  it('finds as neighbours those with the highest cosine, by doubt in those few have watched', () => {
    // Items 0 and 1 are watched together by eight, 0 and 2 by one who watches nothing else.
    const columns = [...Array.from({ length: 8 }, () => [0, 1]), [0, 2]];
    const viewers = {
      offsets: Uint32Array.from({ length: 10 }, (_, row) => row * 2),
      columns: Uint32Array.from(columns.flat()),
      weights: new Float32Array(18).fill(1),
    };
    const [first] = neighboursOf(viewers, 3, 20);
    expect(first!.map(({ item }) => item)).toEqual([1, 2]);
    expect(first![0]!.similarity).toBeCloseTo((8 / Math.sqrt(9 * 8)) * (8 / 13), 9);
    expect(first![1]!.similarity).toBeCloseTo((1 / Math.sqrt(9)) * (1 / 6), 9);
  });
});

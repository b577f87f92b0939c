// Recommendations on a generated history whose tastes are known: how good they are beside popularity and
// item-cosine, what one viewer costs at the edge, and what training costs as the history grows.
import { availableParallelism } from 'node:os';
import { gramOf, type SparseRows } from '../shared/recommend-als.ts';
import { foldIn, quantize, topItems } from '../shared/recommend-fold-in.ts';
import { chosenRecallsOf, LIMIT, settingsFor } from '../test/support/recommend-recall.ts';
import { generateHistory, type HistorySize } from '../test/support/watch-history.ts';
import { alternate } from '../transcoder/recommend/alternate.ts';
import { ALPHA, ITERATIONS } from '../transcoder/recommend/build-model.ts';
import { median } from './cpu-time.ts';

const FACTORS = 64;
const THREADS = Math.min(2, availableParallelism());
/** Of the library whose figures are wanted, and of smaller ones, where what ranks is chosen. */
const QUALITY: HistorySize[] = [
  { viewers: 2000, items: 1000, events: 60_000 },
  { viewers: 800, items: 400, events: 25_000 },
  { viewers: 200, items: 100, events: 6000 },
  { viewers: 200, items: 100, events: 2400 },
];
const FULL: HistorySize = { viewers: 10_000, items: 2000, events: 500_000 };

export async function benchRecommend(): Promise<void> {
  for (const size of QUALITY) await compareRankings(size);
  measureFoldIn();
  measureScoring(100_000);
  await measureTraining();
}

async function compareRankings(size: HistorySize): Promise<void> {
  const cpuBefore = process.cpuUsage();
  const recall = await chosenRecallsOf(generateHistory(size), THREADS);
  const { user, system } = process.cpuUsage(cpuBefore);
  const { served, choice, cosine, popularity } = recall;
  console.log(
    `Recall@${LIMIT} of one held-out fifth, ${size.viewers} viewers × ${size.items} videos × ${size.events} watches:` +
      ` ALS ${percent(recall.als)} (lambda ${choice.lambda.toFixed(1)}), item-cosine ${percent(cosine)}, popularity ${percent(popularity)};` +
      ` ${choice.ranking} rank → ${(served / popularity).toFixed(2)}× popularity, ${(served / cosine).toFixed(2)}× item-cosine (≥ 1);` +
      ` ${((user + system) / 1e6).toFixed(1)} s CPU with choosing`,
  );
}

function randomFactors(items: number): Float32Array {
  return Float32Array.from({ length: items * FACTORS }, (_, at) => Math.sin(at * 12.9898) / 8);
}

function measureFoldIn(): void {
  const count = 200;
  const rows = randomFactors(count);
  const own = Float64Array.from(rows);
  const gram = gramOf(rows, FACTORS, 1);
  const history = {
    items: Uint32Array.from({ length: count }, (_, item) => item),
    weights: new Float32Array(count).fill(1),
  };
  const cpuMs = repeated(200, () => foldIn(history, own, gram, { factors: FACTORS, alpha: ALPHA }));
  console.log(
    `folding in a viewer of ${count} videos at ${FACTORS} factors: ${cpuMs.toFixed(2)} ms CPU (< 5)`,
  );
}

function measureScoring(items: number): void {
  const quantized = quantize(randomFactors(items), FACTORS);
  const viewer = Float64Array.from({ length: FACTORS }, (_, f) => Math.cos(f));
  const cpuMs = repeated(30, () => topItems(viewer, quantized, 300));
  console.log(`scoring ${items} videos: ${cpuMs.toFixed(2)} ms CPU (< 20)`);
}

/** Median CPU milliseconds of one call, after the compiler has seen it. */
function repeated(times: number, work: () => unknown): number {
  const costs = Array.from({ length: times }, () => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  });
  return median(costs.slice(Math.floor(times / 3)));
}

async function measureTraining(): Promise<void> {
  const costs: { events: number; cpuSeconds: number }[] = [];
  for (const share of [4, 2, 1]) {
    const size = { ...FULL, events: FULL.events / share };
    const { train, items } = generateHistory(size, { heldOutShare: 0 });
    const run = { ...settingsFor(train, items, FACTORS), iterations: ITERATIONS, threads: THREADS };
    const cpuBefore = process.cpuUsage();
    const startedAtMs = performance.now();
    await alternate(train, items, run);
    const wallSeconds = (performance.now() - startedAtMs) / 1000;
    const { user, system } = process.cpuUsage(cpuBefore);
    const cpuSeconds = (user + system) / 1e6;
    costs.push({ events: eventsOf(train), cpuSeconds });
    console.log(
      `training ${size.viewers} viewers × ${size.items} videos × ${eventsOf(train)} events, ${ITERATIONS} iterations, ${THREADS} threads:` +
        ` ${wallSeconds.toFixed(1)} s (< 90), ${cpuSeconds.toFixed(1)} s CPU`,
    );
  }
  const [quarter, half, whole] = costs;
  const slope = (from: typeof quarter, to: typeof quarter) =>
    (1e6 * (to!.cpuSeconds - from!.cpuSeconds)) / (to!.events - from!.events);
  console.log(
    `each further event costs ${slope(quarter, half).toFixed(1)} µs CPU from 1× to 2× and ${slope(half, whole).toFixed(1)} µs from 2× to 4×: ` +
      `${(slope(half, whole) / slope(quarter, half)).toFixed(2)}× (linear is 1)`,
  );
}

function eventsOf({ columns }: SparseRows): number {
  return columns.length;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

// The estimator against players that know the truth.
import { describe, expect, it } from 'vitest';
import { estimate, NO_SUMS, type QoeState, type QoeSums } from '../../shared/cmcd-estimate.ts';
import type { CmcdRecord } from '../../shared/cmcd-record.ts';
import { type Session, simulate, type Truth } from '../support/media3-player.ts';
import { randomOf } from '../support/random.ts';

const SESSIONS = 50;
const DURATION_MS = 600_000;

/** Throughput by the second, in the manner of a kind of network: a mean that wanders, and holes. */
const NETWORKS = [
  { meanKbps: 20_000, swing: 0.3, holes: 0 }, // fixed line
  { meanKbps: 6000, swing: 0.6, holes: 0.01 }, // 4G, walking
  { meanKbps: 2500, swing: 0.7, holes: 0.03 }, // 4G, on a train
  { meanKbps: 1200, swing: 0.5, holes: 0.02 }, // 3G
];

function sessionOf(seed: number): Session {
  const random = randomOf(seed * 7919);
  const network = NETWORKS[seed % NETWORKS.length]!;
  let level = 1;
  let holeSeconds = 0;
  const trace = Array.from({ length: 400 }, () => {
    level = Math.min(2, Math.max(0.2, level + network.swing * (random() - 0.5)));
    if (holeSeconds === 0 && random() < network.holes) holeSeconds = 3 + Math.floor(random() * 12);
    if (holeSeconds > 0) holeSeconds--;
    return network.meanKbps * level * (holeSeconds > 0 ? 0.02 : 1);
  });
  return {
    ...{ seed, trace, durationMs: DURATION_MS },
    roundTripMs: 20 + Math.round(random() * 180),
    isWarm: random() < 0.5,
    leavesAfterMs: random() < 0.5 ? 1e9 : 120_000 + random() * 480_000,
    ...(seed % 5 === 0 && { pause: { atMs: 30_000 + random() * 60_000, forMs: 20_000 } }),
    ...(seed % 6 === 1 && { seek: { atMs: 40_000 + random() * 30_000, toMs: 250_000 + random() * 100_000 } }),
  };
}

type Estimated = { startupMs: number | undefined; sums: QoeSums };

/** As the consumer does it: in messages of a few records, with what was stored in between. */
function estimated(records: readonly CmcdRecord[], perBatch: number): Estimated {
  let state: QoeState | undefined;
  const sums = { ...NO_SUMS };
  for (let start = 0; start < records.length; start += perBatch) {
    const batch = estimate(state, records.slice(start, start + perBatch), DURATION_MS);
    state = batch.state && (JSON.parse(JSON.stringify(batch.state)) as QoeState);
    for (const key of Object.keys(sums) as (keyof QoeSums)[]) sums[key] += batch.sums[key];
  }
  return { startupMs: state?.startupMs, sums };
}

const ratioOf = ({ stallMs, playMs }: Pick<Truth, 'stallMs' | 'playMs'>) => stallMs / (stallMs + playMs);

function p95(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(0.95 * values.length) - 1]!;
}

describe('an estimate from CMCD', () => {
  const runs = Array.from({ length: SESSIONS }, (_, seed) => {
    const { truth, records } = simulate(sessionOf(seed));
    return { seed, truth, records, told: estimated(records, 7) };
  });

  it('comes from sessions of every kind', () => {
    const startups = runs.map(({ truth }) => truth.startupMs);
    expect(startups.every(Number.isFinite)).toBe(true);
    expect(Math.min(...startups)).toBeLessThan(600);
    expect(Math.max(...startups)).toBeGreaterThan(3000);
    expect(runs.filter(({ truth }) => truth.stallMs > 1000).length).toBeGreaterThan(10);
    expect(runs.filter(({ truth }) => truth.stallMs === 0).length).toBeGreaterThan(10);
  });

  it('is within 250 ms of the start-up time for 95 of 100 sessions', () => {
    const errors = runs.map(({ truth, told }) => Math.abs((told.startupMs ?? 0) - truth.startupMs));
    expect(p95(errors)).toBeLessThanOrEqual(250);
  });

  it('is within half a point of the rebuffer ratio for 95 of 100 sessions, and for all together', () => {
    const errors = runs.map(({ truth, told }) => Math.abs(ratioOf(told.sums) - ratioOf(truth)));
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    const whole = (of: (run: (typeof runs)[number]) => Pick<Truth, 'stallMs' | 'playMs'>) =>
      ratioOf({
        stallMs: sum(runs.map((run) => of(run).stallMs)),
        playMs: sum(runs.map((run) => of(run).playMs)),
      });
    expect(Math.abs(whole(({ told }) => told.sums) - whole(({ truth }) => truth))).toBeLessThanOrEqual(0.005);
    expect(p95(errors)).toBeLessThanOrEqual(0.005);
  });

  it('is the same in whatever batches the records come, and however often', () => {
    for (const { records, told } of runs.slice(0, 10)) {
      expect(estimated(records, 1)).toEqual(told);
      expect(estimated(records, 1000)).toEqual(told);
      const { state } = estimate(undefined, records, DURATION_MS);
      const again = estimate(state, records, DURATION_MS);
      expect(again.state).toEqual(state);
      expect(again.sums).toEqual({ ...NO_SUMS, late: records.length });
    }
  });
});

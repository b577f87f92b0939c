import { describe, expect, it } from 'vitest';
import { jobTable } from '../../chaos/jobs/report.ts';
import { runJobChaos } from '../../chaos/jobs/run.ts';

// The one-minute version of `npm run chaos`, with the same code.

const SEED = Number(process.env.CHAOS_SEED ?? 20);

describe('jobs while everything fails', () => {
  it('are lost by nobody, published once, and leave nothing behind', async () => {
    const report = await runJobChaos({
      ...{ seed: SEED, jobs: 8, kills: 2, zombies: 1, workerKills: 1, transcoders: 2, clients: 3 },
    });
    // Shown beside a failure.
    console.log(`seed ${SEED}\n${jobTable(report)}`);
    expect(report.broken).toEqual([]);
    // A run in which nothing went wrong would prove nothing.
    const faultsOf = (start: string) =>
      Object.entries(report.faults)
        .filter(([name]) => name.startsWith(start))
        .reduce((sum, [, count]) => sum + count, 0);
    expect(faultsOf('nemesis.kill')).toBe(3);
    expect(faultsOf('nemesis.continue')).toBe(1);
    expect(faultsOf('ticket.dropped')).toBeGreaterThan(0);
    expect(faultsOf('ticket.duplicated')).toBeGreaterThan(0);
    expect(faultsOf('fault.r2')).toBeGreaterThan(0);
    expect(report.counts['objects served']).toBeGreaterThan(20);
  }, 600_000);
});

import { describe, expect, it } from 'vitest';
import { brokenPromises, sumOf, tableOf } from '../../chaos/upload-report.ts';
import { runUploadChaos } from '../../chaos/uploads.ts';
import { MIB } from '../../shared/limits.ts';

// The short version of `npm run chaos -- uploads`, with the same code.

const SEED = Number(process.env.CHAOS_SEED ?? 18);

describe('uploads while workerd is killed', () => {
  it('keep every byte, send none twice that was acknowledged, and end with one job each', async () => {
    const report = await runUploadChaos({
      ...{ seed: SEED, uploads: 8, givenUp: 2, kills: 3 },
      ...{ sizeBytes: 12 * MIB, clients: 3, races: 8, lostReplies: 4 },
    });
    // Shown beside a failure.
    console.log(`seed ${SEED}\n${tableOf(report)}`);
    expect(brokenPromises(report)).toEqual([]);
    // A run in which nothing went wrong would prove nothing.
    expect(sumOf(report.kills)).toBeGreaterThanOrEqual(2);
    expect(report.retries).toBeGreaterThan(0);
    expect(report.resumesWithBytes).toBeGreaterThan(0);
    expect(report.partsBeforeSweep).toBeGreaterThan(0);
    expect(report).toMatchObject({ raceRounds: 8, lostReplies: 4, givenUp: 2 });
  }, 400_000);
});

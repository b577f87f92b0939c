// How a property is tried: with the same values each time, so that a run can be had again. `npm run bench -- fuzz` tries
// more of them, of another seed.

const { PROPERTY_SEED = '2026', PROPERTY_TIMES = '1' } = process.env;

/** Parameters of `fc.assert`. @param numRuns how many values are tried in `npm test` */
export function tried(numRuns = 100): { seed: number; numRuns: number } {
  return { seed: Number(PROPERTY_SEED), numRuns: numRuns * Number(PROPERTY_TIMES) };
}

// `npm run chaos -- uploads [--seed N]`: faults on purpose, with counts of what they did. Exit code 1 when a
// promise was broken.
import { parseArgs } from 'node:util';
import { MIB } from '../shared/limits.ts';
import { brokenPromises, tableOf } from './upload-report.ts';
import { runUploadChaos } from './uploads.ts';

const OPTIONS = {
  seed: { type: 'string' },
  uploads: { type: 'string', default: '64' },
  kills: { type: 'string', default: '40' },
} as const;

const { positionals, values } = parseArgs({ options: OPTIONS, allowPositionals: true });
if (positionals.join() !== 'uploads') {
  console.error('npm run chaos -- uploads [--seed N] [--uploads 64] [--kills 40]');
  process.exit(2);
}
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
console.log(`seed ${seed}; the same again with: npm run chaos -- uploads --seed ${seed}`);
const startedAtMs = Date.now();
const report = await runUploadChaos(
  {
    ...{ seed, uploads: Number(values.uploads), kills: Number(values.kills), givenUp: 8 },
    ...{ sizeBytes: 12 * MIB, clients: 3, races: 50, lostReplies: 20 },
  },
  (line) => console.log(`${((Date.now() - startedAtMs) / 1000).toFixed(0).padStart(4)} s  ${line}`),
);
console.log(`\n${tableOf(report)}\n`);
const broken = brokenPromises(report);
for (const promise of broken) console.error(`BROKEN: ${promise}`);
if (broken.length === 0) console.log('every promise held');
process.exit(broken.length === 0 ? 0 : 1);

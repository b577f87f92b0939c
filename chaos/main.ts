// `npm run chaos -- uploads|encode|publish [--seed N]`: faults on purpose, with counts of what they did. Exit code 1 when a
// promise was broken.
import { parseArgs } from 'node:util';
import { MIB } from '../shared/limits.ts';
import { brokenEncodePromises, encodeTable, runEncodeChaos } from './encode.ts';
import { publishTable, runPublishChaos } from './publish.ts';
import { brokenPromises, tableOf } from './upload-report.ts';
import { runUploadChaos } from './uploads.ts';

type Outcome = { table: string; broken: string[] };
type Say = (line: string) => void;

const OPTIONS = {
  seed: { type: 'string' },
  uploads: { type: 'string', default: '64' },
  kills: { type: 'string' },
  publications: { type: 'string', default: '50' },
} as const;

const { positionals, values } = parseArgs({ options: OPTIONS, allowPositionals: true });

const SCENARIOS: Record<string, (seed: number, say: Say) => Promise<Outcome>> = {
  uploads: async (seed, say) => {
    const report = await runUploadChaos(
      {
        ...{ seed, uploads: Number(values.uploads), kills: Number(values.kills ?? 40), givenUp: 8 },
        ...{ sizeBytes: 12 * MIB, clients: 3, races: 50, lostReplies: 20 },
      },
      say,
    );
    return { table: tableOf(report), broken: brokenPromises(report) };
  },
  encode: async (seed, say) => {
    const kills = Number(values.kills ?? 30);
    const report = await runEncodeChaos(
      { seed, kills, clipSeconds: 180, segmentSeconds: 2, transcoders: 2 },
      say,
    );
    return { table: encodeTable(report), broken: brokenEncodePromises(report) };
  },
  publish: async () => {
    const report = await runPublishChaos(Number(values.publications));
    return { table: publishTable(report), broken: report.failures };
  },
};

const name = positionals[0] ?? '';
const scenario = SCENARIOS[name];
if (!scenario || positionals.length > 1) {
  console.error(
    'npm run chaos -- uploads|encode|publish [--seed N] [--kills N] [--uploads 64] [--publications 50]',
  );
  process.exit(2);
}
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
console.log(`seed ${seed}; the same again with: npm run chaos -- ${name} --seed ${seed}`);
const startedAtMs = Date.now();
const { table, broken } = await scenario(seed, (line) =>
  console.log(`${((Date.now() - startedAtMs) / 1000).toFixed(0).padStart(4)} s  ${line}`),
);
console.log(`\n${table}\n`);
for (const promise of broken) console.error(`BROKEN: ${promise}`);
if (broken.length === 0) console.log('every promise held');
process.exit(broken.length === 0 ? 0 : 1);

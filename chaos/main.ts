// `npm run chaos [-- jobs|uploads|encode|migrate|publish] [--seed N]`: faults on purpose, with counts of what they did; `jobs`
// unless another is named. Exit code 1 when a promise was broken. `check FILE` judges a history again.
import { parseArgs } from 'node:util';
import { MIB } from '../shared/limits.ts';
import { brokenEncodePromises, encodeTable, runEncodeChaos } from './encode.ts';
import { checkHistory } from './jobs/checker.ts';
import { readHistory } from './jobs/history.ts';
import { jobTable } from './jobs/report.ts';
import { LEASE_SECONDS, runJobChaos } from './jobs/run.ts';
import { brokenMigratePromises, migrateTable, runMigrateChaosOnOwnStack } from './migrate.ts';
import { publishTable, runPublishChaos } from './publish.ts';
import { brokenPromises, tableOf } from './upload-report.ts';
import { runUploadChaos } from './uploads.ts';

type Outcome = { table: string; broken: string[] };
type Say = (line: string) => void;

const OPTIONS = {
  seed: { type: 'string' },
  uploads: { type: 'string', default: '64' },
  jobs: { type: 'string', default: '300' },
  zombies: { type: 'string', default: '20' },
  kills: { type: 'string' },
  items: { type: 'string', default: '200' },
  publications: { type: 'string', default: '50' },
} as const;

const { positionals, values } = parseArgs({ options: OPTIONS, allowPositionals: true });

const SCENARIOS: Record<string, (seed: number, say: Say) => Promise<Outcome>> = {
  jobs: async (seed, say) => {
    const { jobs, zombies, kills = 40 } = values;
    const report = await runJobChaos(
      {
        ...{ seed, jobs: Number(jobs), kills: Number(kills), zombies: Number(zombies), workerKills: 5 },
        ...{ transcoders: 2, clients: 4 },
      },
      say,
    );
    // Here and not in the test of `npm test`, where a busy machine may take its time.
    const isLate = report.settleSeconds > 2 * LEASE_SECONDS;
    const late = isLate
      ? [`the last job ended ${report.settleSeconds.toFixed(1)} s after the last fault`]
      : [];
    const idle = ['ticket.dropped', 'ticket.duplicated', 'nemesis.kill', 'fault.r2.refused']
      .filter((fault) => !report.faults[fault])
      .map((fault) => `there was no ${fault}`);
    return { table: jobTable(report), broken: [...report.broken, ...late, ...idle] };
  },
  check: async () => {
    const { broken, counts } = checkHistory(await readHistory(positionals[1] ?? ''));
    return { table: JSON.stringify(counts, null, 2), broken };
  },
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
  migrate: async (seed, say) => {
    const { items, kills = 20 } = values;
    const report = await runMigrateChaosOnOwnStack(
      { seed, items: Number(items), kills: Number(kills), parallel: 6 },
      say,
    );
    return { table: migrateTable(report), broken: brokenMigratePromises(report) };
  },
  publish: async () => {
    const report = await runPublishChaos(Number(values.publications));
    return { table: publishTable(report), broken: report.failures };
  },
};

const name = positionals[0] ?? 'jobs';
const scenario = SCENARIOS[name];
if (!scenario || positionals.length > (name === 'check' ? 2 : 1)) {
  console.error(
    'npm run chaos [-- jobs|uploads|encode|migrate|publish] [--seed N] [--kills N] [--jobs 300] [--zombies 20] [--uploads 64] [--items 200] [--publications 50]',
  );
  process.exit(2);
}
// An orderly exit takes the processes of the run along.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
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

// `npm run chaos -- migrate`: a library in three places goes through `reelay migrate` while the migrator is killed
// again and again. At the end each source has one video that is what its source is, and nobody has written to a source.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startStack } from '../test/support/stack.ts';
import { type ApiClient, createApiClient } from '../transcoder/cli/api-client.ts';
import { type LibraryServer, startLibraryServer } from './library-server.ts';
import { fillLibrary } from './migrate-library.ts';
import { chanceOf } from './seeded.ts';

export type MigrateChaosOptions = {
  seed: number;
  items: number;
  kills: number;
  parallel: number;
  /** A stack whose Worker and transcoders import from loopback addresses. */
  stack: { url: string; token: string };
};

export type MigrateChaosReport = {
  items: number;
  kills: number;
  /** Kills after the first import was asked for, before the last item had ended. */
  killsUnderWay: number;
  runs: number;
  videos: number;
  /** Titles or attempts with more than one video. */
  duplicates: string[];
  /** Reported as anything but converted and verified. */
  notDone: string[];
  /** Stable places that do not play. */
  silentPlaces: string[];
  /** Requests to the foreign library other than GET, and objects of the bucket that are not as they were. */
  sourceWrites: number;
  exitCode: number | null;
  /** Bytes that left the foreign library, over those of its files: 1 and the indexes where each was fetched once. */
  timesFetched: number;
  migrationId: string;
  seconds: number;
};

/** With two transcoders. */
export async function runMigrateChaosOnOwnStack(
  options: Omit<MigrateChaosOptions, 'stack'>,
  say: (line: string) => void,
): Promise<MigrateChaosReport> {
  const allowed = { IMPORT_ALLOW_LOOPBACK: 'on' };
  const stack = await startStack({ transcoders: 2, env: allowed, transcoderEnv: allowed });
  try {
    const token = stack.token('admin', 'chaos');
    return await runMigrateChaos({ ...options, stack: { url: stack.url, token } }, say);
  } finally {
    await stack.stop();
  }
}

export async function runMigrateChaos(
  options: MigrateChaosOptions,
  say: (line: string) => void = () => {},
): Promise<MigrateChaosReport> {
  const { stack, items } = options;
  const folder = await mkdtemp(join(tmpdir(), 'reelay-migrate-'));
  await using server = await startLibraryServer();
  try {
    const client = createApiClient(stack.url, stack.token);
    const library = await fillLibrary(folder, server, options);
    say(
      `${items} files: ${library.listed} in a list of URLs, ${library.inS3} behind S3, ${library.inBucket} in the bucket`,
    );
    const startedAtMs = Date.now();
    const run = await migrateUnderKills(folder, server, library.prefix, options, say);
    const seconds = (Date.now() - startedAtMs) / 1000;
    const videos = (await videosOf(client)).filter(({ tags }) =>
      tags.some((tag) => tag.startsWith('migration:')),
    );
    const lines = (await readFile(join(folder, 'report.jsonl'), 'utf8')).split('\n').filter(Boolean);
    const ends = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const changed = await library.changedInBucket();
    const writes = Object.entries(server.methods).reduce(
      (sum, [method, n]) => (method === 'GET' ? sum : sum + n),
      0,
    );
    const foreignBytes = [...server.files.values()].reduce((sum, { length }) => sum + length, 0);
    return {
      ...{
        items,
        kills: run.kills,
        killsUnderWay: run.killsUnderWay,
        runs: run.runs,
        exitCode: run.exitCode,
      },
      videos: videos.length,
      duplicates: repeated(videos.map(({ kind, contentId, id }) => `${kind}/${contentId ?? id}`)),
      notDone: ends
        .filter((end) => end.state !== 'done' || !isVerified(end))
        .map((end) => JSON.stringify(end)),
      silentPlaces: await silentPlaces(stack.url, library.ids),
      sourceWrites: writes + changed,
      timesFetched: server.sentBytes() / foreignBytes,
      migrationId: /^Migration ([0-9a-f-]+)/m.exec(run.output)?.[1] ?? '',
      seconds,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export function brokenMigratePromises(report: MigrateChaosReport): string[] {
  const { items, videos, duplicates, notDone, silentPlaces, sourceWrites, exitCode } = report;
  return [
    ...(videos === items ? [] : [`${videos} videos of ${items} items`]),
    ...duplicates.map((name) => `more than one video for ${name}`),
    ...notDone.map((end) => `not converted and verified: ${end}`),
    ...silentPlaces.map((place) => `does not play: ${place}`),
    ...(sourceWrites === 0 ? [] : [`${sourceWrites} writes to the source`]),
    ...(exitCode === 0 ? [] : [`the last run ended with ${exitCode}`]),
  ];
}

export function migrateTable(report: MigrateChaosReport): string {
  return [
    `items                         ${report.items}`,
    `migrator killed               ${report.kills} (${report.killsUnderWay} with conversions under way), ${report.runs} runs`,
    `videos                        ${report.videos}`,
    `duplicates                    ${report.duplicates.length}`,
    `not verified                  ${report.notDone.length}`,
    `stable places that fail       ${report.silentPlaces.length}`,
    `writes to the source          ${report.sourceWrites}`,
    `each foreign byte fetched     ${report.timesFetched.toFixed(2)} times`,
    `time                          ${report.seconds.toFixed(0)} s`,
  ].join('\n');
}

/** Lines of the journal that an item leaves: looked, starting, started, ended. */
const LINES_PER_ITEM = 4;
const LONGEST_DELAY_MS = 200;
const MOST_RUNS = 100;

async function migrateUnderKills(
  folder: string,
  server: LibraryServer,
  prefix: string,
  { seed, items, kills, parallel, stack }: MigrateChaosOptions,
  say: (line: string) => void,
) {
  const chance = chanceOf(seed);
  const journal = join(folder, 'journal.jsonl');
  // One in ten while sources are looked at; the rest where imports are asked for, followed and told.
  const moments = Array.from({ length: kills }, (_, index) => ({
    lines: 1 + Math.floor(((index + chance.next()) / kills) * items * LINES_PER_ITEM * 0.97),
    delayMs: chance.between(0, LONGEST_DELAY_MS),
  }));
  const outcome = { kills: 0, killsUnderWay: 0, runs: 0, exitCode: null as number | null, output: '' };
  for (;;) {
    outcome.runs += 1;
    if (outcome.runs > MOST_RUNS) throw new Error(`not done after ${MOST_RUNS} runs:\n${outcome.output}`);
    const child = startMigrator(folder, server, prefix, parallel, stack);
    let output = '';
    const take = (bytes: unknown) => {
      output += String(bytes);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const ended = once(child, 'close').then(([code]) => code as number | null);
    const moment = moments[outcome.kills];
    const killed = moment && (await killAt(child, journal, moment, ended));
    const code = await ended;
    outcome.output = output;
    if (killed) {
      outcome.kills += 1;
      const text = await readFile(journal, 'utf8').catch(() => '');
      const isUnderWay = text.includes('"starting"') && !text.includes('"finished"');
      if (isUnderWay) outcome.killsUnderWay += 1;
      say(`kill ${outcome.kills} after ${text.split('\n').length - 1} lines of the journal`);
      continue;
    }
    outcome.exitCode = code;
    if (code !== 0) say(output);
    return outcome;
  }
}

function startMigrator(
  folder: string,
  server: LibraryServer,
  prefix: string,
  parallel: number,
  stack: MigrateChaosOptions['stack'],
) {
  const sources = [join(folder, 'list.csv'), 's3://bucket/movies/', `bucket:${prefix}`];
  const choices = ['--endpoint', server.url, '--parallel', String(parallel), '--preset', 'ultrafast'];
  const files = ['--journal', join(folder, 'journal.jsonl'), '--report', join(folder, 'report.jsonl')];
  const name = ['--name', `chaos ${prefix}`];
  const args = ['transcoder/cli/reelay.mjs', 'migrate', ...sources, ...choices, ...files, ...name];
  return spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...{ REELAY_URL: stack.url, REELAY_TOKEN: stack.token },
      ...{ AWS_ACCESS_KEY_ID: 'library', AWS_SECRET_ACCESS_KEY: 'library-secret' },
    },
  });
}

const LOOK_MS = 20;

/** @returns false where the migrator ended before its time */
async function killAt(
  child: ReturnType<typeof startMigrator>,
  journal: string,
  moment: { lines: number; delayMs: number },
  ended: Promise<unknown>,
): Promise<boolean> {
  let hasEnded = false;
  void ended.then(() => {
    hasEnded = true;
  });
  let sizeBytes = -1;
  while (!hasEnded) {
    const now = (await stat(journal).catch(() => undefined))?.size ?? 0;
    if (now !== sizeBytes) {
      sizeBytes = now;
      const text = await readFile(journal, 'utf8').catch(() => '');
      if (text.split('\n').length - 1 >= moment.lines) break;
    }
    await sleep(LOOK_MS);
  }
  if (!hasEnded) await sleep(moment.delayMs);
  return !hasEnded && child.kill('SIGKILL');
}

async function videosOf(client: ApiClient) {
  const first = await client.videos('?limit=100');
  const videos = first.videos;
  for (let cursor = first.nextCursor; cursor !== undefined; ) {
    const page = await client.videos(`?limit=100&cursor=${cursor}`);
    videos.push(...page.videos);
    cursor = page.nextCursor;
  }
  return videos;
}

function repeated(names: readonly string[]): string[] {
  return names.filter((name, index) => names.indexOf(name) !== index);
}

const CHECKS = ['certificate', 'duration', 'frames', 'audio'];

function isVerified(end: Record<string, unknown>): boolean {
  const checks = (end.checks ?? []) as { name: string; isRight: boolean }[];
  return CHECKS.every((name) => checks.some((check) => check.name === name && check.isRight));
}

/** What migrated apps call. */
async function silentPlaces(url: string, ids: readonly string[]): Promise<string[]> {
  const silent: string[] = [];
  for (const id of ids) {
    const response = await fetch(new URL(`/hls/movies/${id}/master.m3u8`, url));
    const text = await response.text();
    if (!response.ok || !text.startsWith('#EXTM3U')) silent.push(`${id}: ${response.status}`);
  }
  return silent;
}

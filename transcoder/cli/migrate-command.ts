// `reelay migrate SOURCE…`
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { estimateOf, estimateRows } from '../migrate/estimate.ts';
import { type Journal, JournalUnusable, openJournal } from '../migrate/journal.ts';
import { createMigrationClient, type MigrationClient } from '../migrate/migration-client.ts';
import { createPlaces, type Places } from '../migrate/places.ts';
import { type Plan, planMigration } from '../migrate/plan-migration.ts';
import { summaryRows, writeReport } from '../migrate/report.ts';
import { itemsToRollBack, rollBack } from '../migrate/roll-back.ts';
import { type Ended, runMigration } from '../migrate/run-migration.ts';
import { connect } from './connect.ts';
import { failureOf } from './failure.ts';
import { Interrupted, onInterruption } from './interruption.ts';
import { createMigrationDisplay } from './migrate-display.ts';
import { type MigrateOptions, migrateOptions } from './migrate-options.ts';
import { allCandidates, type Found, namedCandidates, s3AccessOf } from './migrate-sources.ts';
import { BRIEF, PATIENT } from './retry.ts';
import { stateFolder } from './upload-journal.ts';
import { UsageError } from './usage.ts';

/** @returns the exit code: 0 everything is converted, 1 something failed, 130 Ctrl-C */
export async function migrateCommand(args: string[]): Promise<number> {
  const options = migrateOptions(args);
  using interruption = onInterruption();
  const { signal } = interruption;
  try {
    const s3 = options.isRollback ? undefined : s3AccessOf(options);
    const named = options.isRollback ? [] : await namedCandidates(options);
    const api = await connect(signal);
    // A wrong address should show in seconds; once something has answered, patience is in place.
    const client = createMigrationClient(api, { signal, policy: PATIENT });
    await createMigrationClient(api, { signal, policy: BRIEF }).requireRights();
    if (options.isRollback) return await rollBackNow(options, client);
    const places = createPlaces(client, s3);
    return await migrate(options, await allCandidates(named, options, places), { client, places, signal });
  } catch (error) {
    if (signal.reason instanceof Interrupted) {
      console.error('Interrupted. Run the same command again to go on.');
      return signal.reason.exitCode;
    }
    if (error instanceof JournalUnusable) throw new UsageError(error.message);
    if (error instanceof UsageError) throw error;
    const { code, detail } = failureOf(error);
    console.error(
      `${code}: ${detail}\nThe migration has stopped; what is done stays. Run the same command again to go on.`,
    );
    return 1;
  }
}

async function migrate(
  options: MigrateOptions,
  { candidates, ignored }: Found,
  { client, places, signal }: { client: MigrationClient; places: Places; signal: AbortSignal },
): Promise<number> {
  // Listing one key asks for the same right as reading it, and is refused in words.
  const inBucket = candidates.find(({ origin }) => origin.type === 'bucket')?.origin;
  if (inBucket?.type === 'bucket') await client.bucketPage(inBucket.key, undefined);
  const read = { signal };
  const { profile, isDryRun } = options;
  if (isDryRun) {
    const plan = await planMigration(candidates, { places, profile, read }, () => {});
    console.log(planRows(plan, ignored, options).join('\n'));
    return plan.unreadable.length === 0 ? 0 : 1;
  }
  await using journal = await openJournal(journalPath(options, client.api.baseUrl));
  const plan = await planMigration(candidates, { places, profile, journal, read }, () => {});
  console.log(planRows(plan, ignored, options).join('\n'));

  const startedAtMs = Date.now();
  const name = options.name ?? nameOf(options);
  const { id: migrationId } = await client.openMigration(name);
  await journal.append({ type: 'migration', migrationId, apiUrl: client.api.baseUrl, name });
  console.log(`\nMigration ${migrationId}; journal ${journal.path}\n`);
  const context = {
    client,
    journal,
    places,
    read,
    migrationId,
    profile,
    signal,
    visibility: options.visibility,
  };
  const display = createMigrationDisplay(plan.items, plan.items.length + plan.unreadable.length);
  const ends: Ended[] = [];
  try {
    const events = {
      onBegin: display.begin,
      onEnd: (ended: Ended) => {
        ends.push(ended);
        display.end(ended);
      },
    };
    await runMigration(plan, context, options, events);
  } finally {
    display.close();
    await tellEnd({ migrationId, name, seconds: (Date.now() - startedAtMs) / 1000 }, ends, options, journal);
  }
  return ends.some(({ outcome }) => outcome.state === 'failed') ? 1 : 0;
}

async function tellEnd(
  head: { migrationId: string; name: string; seconds: number },
  ends: readonly Ended[],
  options: MigrateOptions,
  journal: Journal,
): Promise<void> {
  const path = options.report ?? `${journal.path.replace(/\.jsonl$/, '')}.report.jsonl`;
  const written = await writeReport(path, head, ends);
  console.log(`\n${summaryRows(head, ends).join('\n')}\n\nReport: ${written.join(' and ')}`);
  console.log(`To take it back: reelay migrate --rollback --migration ${head.migrationId} [movie/123 …]`);
}

function planRows({ items, unreadable }: Plan, ignored: number, options: MigrateOptions): string[] {
  const count = (isWanted: (one: Plan['items'][number]) => boolean) => items.filter(isWanted).length;
  const kinds = ['movie', 'episode', 'video'].map(
    (kind) => `${count(({ candidate }) => candidate.kind === kind)} ${kind}s`,
  );
  const stable = count(({ candidate }) => candidate.contentId !== undefined);
  const publicNow = options.visibility ? (options.visibility === 'public' ? items.length : 0) : stable;
  const estimate = estimateOf(items, options.assumed, options.parallel);
  return [
    'Plan',
    `  items            ${items.length} (${kinds.join(', ')})${ignored > 0 ? `; ${ignored} objects with no name of a video are left out` : ''}`,
    `  stable places    ${stable} get /hls/{movies|episodes|videos}/{id}/master.m3u8; ${publicNow} are public, ${items.length - publicNow} private (--visibility)`,
    ...estimateRows(estimate, options.assumed),
    ...(unreadable.length > 0 ? [`  cannot be read   ${unreadable.length}`] : []),
    ...unreadable
      .slice(0, 20)
      .map(({ candidate, code, detail }) => `    ${candidate.place}: ${code}: ${detail}`),
  ];
}

async function rollBackNow(options: MigrateOptions, client: MigrationClient): Promise<number> {
  const { migrationId = '', sources } = options;
  const { items, unknown } = await itemsToRollBack(client, migrationId, sources);
  if (unknown.length > 0) {
    throw new UsageError(
      `migration ${migrationId} has no item ${unknown.join(', ')}; nothing was taken back`,
    );
  }
  console.log(
    `${items.length} videos that this migration made ${options.isDryRun ? 'would be' : 'are'} deleted; sources stay`,
  );
  const say = ({ kind, contentId, source, videoId }: (typeof items)[number]) =>
    console.log(`  ${contentId === undefined ? source : `${kind}/${contentId}`}  video ${videoId}`);
  if (options.isDryRun) items.forEach(say);
  else await rollBack(client, migrationId, items, say);
  return 0;
}

/** The same command with the same sources and choices goes on with the same journal. */
function journalPath(options: MigrateOptions, apiUrl: string): string {
  if (options.journal !== undefined) return options.journal;
  const { sources, rules, profile, visibility, endpoint, name } = options;
  const identity = JSON.stringify([
    new URL(apiUrl).href,
    sources,
    rules,
    profile,
    visibility,
    endpoint,
    name,
  ]);
  const file = `${createHash('sha256').update(identity).digest('hex').slice(0, 32)}.jsonl`;
  return join(stateFolder(), 'migrations', file);
}

/** For people, and for finding the migration again: what was named, without signatures. */
function nameOf({ sources }: MigrateOptions): string {
  return sources
    .map((source) => source.replace(/\?.*$/s, ''))
    .join(' ')
    .slice(0, 200);
}

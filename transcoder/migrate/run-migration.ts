// The whole migration on one screen: the ledger says what is left, a few items at a time are converted and verified,
// and the journal has every end.
import type { MigrationItem } from '../../shared/migration-api.ts';
import { type Candidate, itemKeyOf, sourceLabel } from './candidate.ts';
import type { Journal } from './journal.ts';
import type { Outcome } from './outcome.ts';
import type { Plan, PlannedItem, Unreadable } from './plan-migration.ts';
import { eachOfSome } from './pool.ts';
import { type ItemContext, type OnUpdate, runItem } from './run-item.ts';

export type Ended = { key: string; item: PlannedItem | Unreadable; outcome: Outcome };

export type Events = {
  onBegin: (item: PlannedItem) => OnUpdate;
  onEnd: (ended: Ended) => void;
};

export type RunOptions = { parallel: number; again: boolean };

/** @returns how every item ended. @throws what stops all of them. */
export async function runMigration(
  plan: Plan,
  context: ItemContext,
  { parallel, again }: RunOptions,
  events: Events,
): Promise<Ended[]> {
  const states = await registered(plan, context, again);
  const ends: Ended[] = [];
  const end = async (ended: Ended) => {
    if (!hasEnded(context.journal, ended)) {
      await context.journal.append({ type: 'ended', key: ended.key, outcome: ended.outcome });
    }
    ends.push(ended);
    events.onEnd(ended);
  };
  for (const item of plan.unreadable) await end(await tellUnreadable(item, states, context));
  const open: PlannedItem[] = [];
  for (const item of plan.items) {
    const outcome = settled(states.get(item.key)!, context);
    if (outcome) await end({ key: item.key, item, outcome });
    else open.push(item);
  }
  await eachOfSome(open, parallel, async (item) => {
    const outcome = await runItem(item, states.get(item.key)!, context, events.onBegin(item));
    await end({ key: item.key, item, outcome });
  });
  await context.journal.append({ type: 'finished', at: new Date().toISOString() });
  return ends;
}

async function registered(
  plan: Plan,
  { client, migrationId, profile }: ItemContext,
  again: boolean,
): Promise<Map<string, MigrationItem>> {
  const readable = plan.items.map(({ key, candidate, sizeBytes, etag }) => ({
    ...{ key, ...titleAndSource(candidate), sizeBytes },
    ...(etag !== undefined && { sourceEtag: etag }),
  }));
  const unreadable = plan.unreadable.map(({ candidate }) => ({
    key: itemKeyOf(candidate, undefined, profile),
    ...titleAndSource(candidate),
  }));
  const states = await client.register(migrationId, [...readable, ...unreadable], again);
  return new Map(states.map((state) => [state.key, state]));
}

function titleAndSource({ kind, contentId, origin }: Candidate) {
  return { kind, source: sourceLabel(origin), ...(contentId !== undefined && { contentId }) };
}

/** How an item ended before; undefined where there is work left. */
function settled(state: MigrationItem, { migrationId, journal }: ItemContext): Outcome | undefined {
  const { videoId, durationSeconds, attempt, error } = state;
  const facts = {
    attempts: attempt,
    ...(videoId !== undefined && { videoId }),
    ...(durationSeconds !== undefined && { durationSeconds }),
  };
  if (state.state === 'done') {
    if (state.migrationId !== migrationId) {
      return { state: 'skipped', ...facts, detail: `Converted by migration ${state.migrationId} before.` };
    }
    const line = journal.lines.findLast((one) => one.type === 'ended' && one.key === state.key);
    const isOfThisRun = line?.type === 'ended' && line.outcome.state === 'done';
    return isOfThisRun ? line.outcome : { state: 'done', ...facts };
  }
  if (state.state === 'failed' || state.state === 'rolled_back') {
    return { state: state.state, ...facts, ...(error && { code: error.code, detail: error.detail }) };
  }
  if (state.migrationId === migrationId) return undefined;
  const detail = `Migration ${state.migrationId} is at work on it.`;
  return { state: 'skipped', detail };
}

async function tellUnreadable(
  item: Unreadable,
  states: Map<string, MigrationItem>,
  context: ItemContext,
): Promise<Ended> {
  const key = itemKeyOf(item.candidate, undefined, context.profile);
  const known = states.get(key)!;
  const before = settled(known, context);
  if (before) return { key, item, outcome: before };
  const { code, detail } = item;
  const error = { code, detail: detail.slice(0, 2000) };
  const { attempt } = known;
  await context.client.report(context.migrationId, key, { state: 'failed', attempt, error });
  return { key, item, outcome: { state: 'failed', attempts: attempt, code, detail } };
}

function hasEnded(journal: Journal, { key, outcome }: Ended): boolean {
  const line = journal.lines.findLast((one) => one.type === 'ended' && one.key === key);
  return line?.type === 'ended' && line.outcome.state === outcome.state;
}

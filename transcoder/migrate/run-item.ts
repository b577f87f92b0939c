// One item from the ledger's word to its end. Each step may be repeated after a kill: the import by its key and by
// the tag of its attempt, the reports by the ledger's compare-and-set, the removal of a failed attempt's video.
import { setTimeout as sleep } from 'node:timers/promises';
import type { VideoInput } from '../../shared/api.ts';
import { ERRORS, isErrorCode } from '../../shared/errors.ts';
import { attemptTag, type MigrationItem } from '../../shared/migration-api.ts';
import { ApiFailure } from '../cli/api-client.ts';
import { followJob, type JobUpdate } from '../cli/follow-job.ts';
import type { Profile } from './candidate.ts';
import type { Journal } from './journal.ts';
import type { MigrationClient } from './migration-client.ts';
import type { Outcome } from './outcome.ts';
import type { Places } from './places.ts';
import type { PlannedItem } from './plan-migration.ts';
import { type ReadOptions, statRemoteFile } from './remote-file.ts';
import { checksOf } from './verify.ts';

export type ItemContext = {
  client: MigrationClient;
  journal: Journal;
  places: Places;
  read: ReadOptions;
  migrationId: string;
  profile: Profile;
  /** For all items; without it those with an id are public, as the older API's are. */
  visibility: VideoInput['visibility'];
  signal: AbortSignal;
  /** Waits before further attempts; as many attempts follow the first. */
  retryDelaysMs?: readonly number[] | undefined;
};

export type OnUpdate = (update: Pick<JobUpdate, 'progress' | 'stage'>) => void;

const RETRY_DELAYS_MS = [5000, 30_000];

type Made = { videoId: string; jobId: string };
class AttemptFailed extends Error {
  readonly code: string;
  readonly detail: string;
  /** Another attempt may fare better. */
  readonly mayPass: boolean;

  constructor(code: string, detail: string, mayPass = isErrorCode(code) && ERRORS[code].retry === 'later') {
    super(`${code}: ${detail}`);
    this.code = code;
    this.detail = detail;
    this.mayPass = mayPass;
  }
}

/** @throws ApiFailure of what stops the whole migration, such as a credential that is not enough. */
export async function runItem(
  item: PlannedItem,
  known: MigrationItem,
  context: ItemContext,
  onUpdate: OnUpdate,
): Promise<Outcome> {
  const delaysMs = context.retryDelaysMs ?? RETRY_DELAYS_MS;
  const { videoId, jobId } = known;
  let made = known.state === 'converting' && videoId && jobId ? { videoId, jobId } : undefined;
  let attempt = made ? known.attempt : known.attempt + 1;
  for (let failures = 0; ; failures += 1, attempt += 1) {
    try {
      made ??= await begin(item, attempt, context);
      return await follow(item, attempt, made, context, onUpdate);
    } catch (error) {
      context.signal.throwIfAborted();
      if (!(error instanceof AttemptFailed)) throw error;
      const delayMs = error.mayPass ? delaysMs[failures] : undefined;
      await giveUp(item, attempt, made, error, delayMs === undefined, context);
      const { code, detail } = error;
      if (delayMs === undefined) return { state: 'failed', attempts: attempt, code, detail };
      made = undefined;
      await sleep(delayMs * (0.5 + Math.random()), undefined, { signal: context.signal });
    }
  }
}

/** Refusals that no other item would be spared. */
const STOPPERS = new Set([
  ...['unauthorized', 'token_expired', 'forbidden', 'quota_exceeded', 'daily_quota_exceeded'],
  ...['protection_not_available', 'invalid_request', 'rate_limited'],
]);

async function begin(item: PlannedItem, attempt: number, context: ItemContext): Promise<Made> {
  const { client, journal, migrationId } = context;
  const { key } = item;
  const found = (line: Journal['lines'][number]) =>
    line.type === 'starting' && line.key === key && line.attempt === attempt;
  const before = journal.lines.findLast(found);
  const at = before?.type === 'starting' ? before.at : new Date().toISOString();
  if (!before) await journal.append({ type: 'starting', key, attempt, at });
  // Whoever died here may have been heard; the tag tells for as long as the video is there, the key for a day.
  const heard = before && (await client.made(migrationId, key, attempt));
  const made = heard ?? (await askForImport(item, attempt, new Date(at), context));
  await journal.append({ type: 'started', key, attempt, ...made });
  await client.report(migrationId, key, { state: 'converting', attempt, ...made });
  return made;
}

async function askForImport(
  item: PlannedItem,
  attempt: number,
  at: Date,
  context: ItemContext,
): Promise<Made> {
  const { client, places, migrationId } = context;
  const { key, candidate } = item;
  const { kind, contentId, title } = candidate;
  const video: VideoInput = {
    ...context.profile,
    kind,
    ...(contentId !== undefined && { contentId, title: `${kind} ${contentId}` }),
    ...(title !== undefined && { title }),
    visibility: context.visibility ?? (contentId === undefined ? 'private' : 'public'),
    tags: [attemptTag(key, attempt)],
  };
  try {
    const input = { ...(await places.importOf(candidate.origin, at)), video };
    return await client.startImport(input, `migrate-${key}-${attempt}`);
  } catch (error) {
    if (!(error instanceof ApiFailure) || STOPPERS.has(error.code)) throw error;
    // Asked before with other words, by a migrator whose journal is lost.
    const heard =
      error.code === 'idempotency_key_reused' ? await client.made(migrationId, key, attempt) : undefined;
    if (heard) return heard;
    throw error.status < 500 ? new AttemptFailed(error.code, error.detail) : error;
  }
}

async function follow(
  item: PlannedItem,
  attempt: number,
  made: Made,
  context: ItemContext,
  onUpdate: OnUpdate,
): Promise<Outcome> {
  const { client, journal, migrationId, signal } = context;
  const job = await followJob(client.api, made.jobId, onUpdate, signal).catch(
    asVanished(item, attempt, context),
  );
  if (job.state !== 'succeeded') {
    const { code, detail } = job.error ?? { code: 'internal', detail: `The job is ${job.state}.` };
    throw new AttemptFailed(code, detail);
  }
  onUpdate({ progress: 100, stage: 'verifying' });
  await requireSameSource(item, context);
  const video = await client.video(made.videoId).catch(asVanished(item, attempt, context));
  const checks = checksOf(video, made.jobId, await client.certificate(made.videoId), item.probed);
  const { durationSeconds = 0 } = video;
  const facts = { videoId: made.videoId, attempts: attempt, durationSeconds, checks };
  const wrong = checks.filter(({ isRight }) => !isRight);
  if (wrong.length === 0) {
    // Before the ledger hears of it: after a kill the report still has what was compared.
    await journal.append({ type: 'ended', key: item.key, outcome: { state: 'done', ...facts } });
    await client.report(migrationId, item.key, { state: 'done', attempt, durationSeconds });
    return { state: 'done', ...facts };
  }
  const error = {
    code: 'verification_failed',
    detail: `The video is not what its source is: ${wrong.map(({ name, note }) => `${name} ${note}`).join('; ')}.`,
  };
  await client.report(migrationId, item.key, { state: 'failed', attempt, error, keepsVideo: true });
  return { state: 'failed', ...facts, ...error };
}

/** Of an attempt that was given up, unless somebody has deleted its video under our hands. */
function asVanished(item: PlannedItem, attempt: number, { journal }: ItemContext) {
  return (error: unknown): never => {
    if (!(error instanceof ApiFailure && error.status === 404)) throw error;
    const reason = gaveUpBefore(item, attempt, journal);
    throw (
      reason ?? new AttemptFailed('video_deleted', 'The video was deleted while it was converted.', false)
    );
  };
}

/** What was converted is what was planned, unless the source changed meanwhile. */
async function requireSameSource(
  { candidate, etag, sizeBytes }: PlannedItem,
  context: ItemContext,
): Promise<void> {
  const now = await statRemoteFile(context.places.addressOf(candidate.origin), context.read).catch(() => {
    context.signal.throwIfAborted();
    return undefined;
  });
  // A source that has gone since then takes nothing from what was made of it.
  if (!now) return;
  if (now.etag === etag && now.sizeBytes === sizeBytes) return;
  const detail = 'The source changed while it was converted; run the migration again.';
  throw new AttemptFailed('import_source_changed', detail, false);
}

function gaveUpBefore({ key }: PlannedItem, attempt: number, journal: Journal): AttemptFailed | undefined {
  const line = journal.lines.findLast(
    (one) => one.type === 'gave_up' && one.key === key && one.attempt === attempt,
  );
  return line?.type === 'gave_up' ? new AttemptFailed(line.code, line.detail) : undefined;
}

/** Nothing half done stays: the video of a failed attempt goes before the ledger hears of its end. */
async function giveUp(
  { key }: PlannedItem,
  attempt: number,
  made: Made | undefined,
  { code, detail }: AttemptFailed,
  isLast: boolean,
  { client, journal, migrationId }: ItemContext,
): Promise<void> {
  await journal.append({ type: 'gave_up', key, attempt, code, detail });
  if (made) await client.removeVideo(made.videoId);
  const error = { code, detail: detail.slice(0, 2000) };
  await client.report(migrationId, key, { state: isLast ? 'failed' : 'pending', attempt, error });
}

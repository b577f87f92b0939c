// SQL of training runs. Every transition compares before it sets, by the run's epoch.
import { AppError, type ErrorCode, isErrorCode } from '../../shared/errors.ts';
import { DAY_SECONDS, HOUR_SECONDS } from '../../shared/limits.ts';
import { recommendModelPrefix } from '../../shared/object-keys.ts';
import type { RecommendFailure, RecommendRun } from '../../shared/recommend-api.ts';
import { ModelSummary } from '../../shared/recommend-model.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';

export const MAX_ATTEMPTS = 3;
const TRAINED_EVERY_SECONDS = DAY_SECONDS;
const OWNERS_PER_LOOK = 500;
/** A request that has read the pointer just before it moved still finds the old model. */
const OLD_MODEL_KEPT_SECONDS = HOUR_SECONDS;
const DROPPED_PER_LOOK = 10;

export type HeldRun = { runId: string; epoch: number };

export type RunRow = {
  id: string;
  owner_id: string;
  state: RecommendRun['state'];
  epoch: number;
  parts: number;
  export_rows: number;
  export_viewers: number;
  cursor_viewer: string;
  cursor_video: string;
  is_exported: number;
  summary: string | null;
  error_code: string | null;
  error_detail: string | null;
  created_at: number;
  finished_at: number | null;
};

/** @throws AppError `recommend_in_progress` where one is open. */
export async function createRun(db: D1Database, ownerId: string, runId: string): Promise<void> {
  const created = await db
    .prepare(
      `INSERT INTO recommend_runs (id, owner_id, state) VALUES (?, ?, 'queued')
       ON CONFLICT (owner_id) WHERE state IN ('queued', 'running') DO NOTHING`,
    )
    .bind(runId, ownerId)
    .run();
  if (created.meta.changes === 0) throw new AppError('recommend_in_progress', { retryAfterSeconds: 60 });
}

export async function runOf(db: D1Database, runId: string, ownerId: string): Promise<RunRow> {
  const row = await db
    .prepare('SELECT * FROM recommend_runs WHERE id = ? AND owner_id = ?')
    .bind(runId, ownerId)
    .first<RunRow>();
  if (!row) throw new AppError('not_found', { detail: 'There is no such training run.' });
  return row;
}

/** The oldest run that waits or whose transcoder has gone silent. */
export async function claimRun(
  db: D1Database,
  workerId: string,
  leaseSeconds: number,
): Promise<HeldRun | undefined> {
  const [, claimed] = await db.batch<HeldRun>([
    db.prepare(
      `UPDATE recommend_runs SET state = 'failed', finished_at = unixepoch(), error_code = 'recommend_failed',
         error_detail = 'Every transcoder that began to train went silent.', cursor_viewer = '', cursor_video = ''
       WHERE id IN (SELECT id FROM recommend_runs INDEXED BY recommend_runs_waiting
                    WHERE state IN ('queued', 'running') AND state = 'running' AND lease_until <= unixepoch()
                      AND attempts >= ${MAX_ATTEMPTS})`,
    ),
    db
      .prepare(
        `UPDATE recommend_runs SET state = 'running', epoch = epoch + 1, attempts = attempts + 1, worker_id = ?,
           lease_until = unixepoch() + ?, started_at = coalesce(started_at, unixepoch())
         WHERE id = (SELECT id FROM recommend_runs INDEXED BY recommend_runs_waiting
                     WHERE state IN ('queued', 'running') AND (state = 'queued' OR lease_until <= unixepoch())
                     ORDER BY created_at LIMIT 1)
         RETURNING id AS runId, epoch`,
      )
      .bind(workerId, leaseSeconds),
  ]);
  return claimed?.results[0];
}

const IS_HELD = `id = ? AND epoch = ? AND state = 'running'`;

/** @throws AppError `lease_lost` */
export async function heldRun(db: D1Database, held: HeldRun): Promise<RunRow> {
  const row = await db
    .prepare(`SELECT * FROM recommend_runs WHERE ${IS_HELD}`)
    .bind(held.runId, held.epoch)
    .first<RunRow>();
  if (!row) throw new AppError('lease_lost');
  return row;
}

export async function renewRun(
  db: D1Database,
  held: HeldRun,
  leaseSeconds: number,
): Promise<{ workerId: string }> {
  const row = await db
    .prepare(
      `UPDATE recommend_runs SET lease_until = unixepoch() + ? WHERE ${IS_HELD} RETURNING worker_id AS workerId`,
    )
    .bind(leaseSeconds, held.runId, held.epoch)
    .first<{ workerId: string }>();
  if (!row) throw new AppError('lease_lost');
  return row;
}

/** Ends the run and moves the owner's pointer in one batch; again is the same. */
export async function publishModel(db: D1Database, held: HeldRun, summary: ModelSummary): Promise<void> {
  const { runId, epoch } = held;
  const [, moved] = await db.batch([
    db
      .prepare(
        `UPDATE recommend_runs SET state = 'succeeded', finished_at = unixepoch(), summary = ?,
           cursor_viewer = '', cursor_video = '' WHERE ${IS_HELD}`,
      )
      .bind(JSON.stringify(summary), runId, epoch),
    db
      .prepare(
        `INSERT INTO recommend_models (owner_id, run_id, prefix, begun_at)
         SELECT owner_id, id, ?, created_at FROM recommend_runs WHERE id = ? AND epoch = ? AND state = 'succeeded'
         ON CONFLICT (owner_id) DO UPDATE SET run_id = excluded.run_id, prefix = excluded.prefix,
           begun_at = excluded.begun_at, published_at = unixepoch() WHERE excluded.begun_at >= begun_at`,
      )
      .bind(recommendModelPrefix(runId, epoch), runId, epoch),
  ]);
  if (moved!.meta.changes === 0) throw new AppError('lease_lost');
}

/** Back into the queue where trying again may help and attempts are left. */
export async function failRun(
  db: D1Database,
  held: HeldRun,
  { code, detail, mayRetry }: RecommendFailure,
): Promise<void> {
  const known: ErrorCode = isErrorCode(code) ? code : 'recommend_failed';
  await changeHeld(
    db,
    held,
    `state = CASE WHEN ?3 AND attempts < ${MAX_ATTEMPTS} THEN 'queued' ELSE 'failed' END,
     finished_at = CASE WHEN ?3 AND attempts < ${MAX_ATTEMPTS} THEN NULL ELSE unixepoch() END,
     cursor_viewer = CASE WHEN ?3 AND attempts < ${MAX_ATTEMPTS} THEN cursor_viewer ELSE '' END,
     error_code = ?4, error_detail = ?5`,
    [mayRetry ? 1 : 0, known, detail],
  );
}

/** Given back by a transcoder that stops; that is nobody's failure. */
export function releaseRun(db: D1Database, held: HeldRun): Promise<void> {
  return changeHeld(db, held, `state = 'queued', attempts = attempts - 1`, []);
}

async function changeHeld(
  db: D1Database,
  { runId, epoch }: HeldRun,
  change: string,
  params: unknown[],
): Promise<void> {
  const result = await db
    .prepare(`UPDATE recommend_runs SET ${change} WHERE id = ?1 AND epoch = ?2 AND state = 'running'`)
    .bind(runId, epoch, ...params)
    .run();
  if (result.meta.changes === 0) throw new AppError('lease_lost');
}

/** One run for each owner whose viewers have watched since the last run began, if that is a day ago. */
export async function scheduleRuns(db: D1Database): Promise<number> {
  // Owners are found by jumping from one to the next in the index, not by reading it.
  const result = await db
    .prepare(
      `WITH RECURSIVE owners (id) AS (
         SELECT min(owner_id) FROM watch_sessions INDEXED BY watch_sessions_by_viewer
         UNION ALL
         SELECT (SELECT min(owner_id) FROM watch_sessions INDEXED BY watch_sessions_by_viewer
                 WHERE owner_id > owners.id)
         FROM owners WHERE owners.id IS NOT NULL LIMIT ${OWNERS_PER_LOOK}
       ), due (id, since) AS (
         SELECT id, coalesce((SELECT max(created_at) FROM recommend_runs WHERE owner_id = owners.id), 0) FROM owners
         WHERE id IS NOT NULL
       )
       INSERT INTO recommend_runs (id, owner_id, state)
       SELECT lower(hex(randomblob(16))), id, 'queued' FROM due
       WHERE since <= unixepoch() - ${TRAINED_EVERY_SECONDS}
         AND EXISTS (SELECT 1 FROM watch_sessions INDEXED BY watch_sessions_by_viewer
                     WHERE owner_id = due.id AND viewer_id > '' AND heard_at >= since)
       ON CONFLICT (owner_id) WHERE state IN ('queued', 'running') DO NOTHING`,
    )
    .run();
  return result.meta.changes;
}

/** Ended runs whose objects nobody reads any more. */
export async function runsToDrop(db: D1Database): Promise<string[]> {
  const { results } = await db
    .prepare(
      `SELECT id FROM recommend_runs r INDEXED BY recommend_runs_to_drop
       WHERE finished_at IS NOT NULL AND dropped_at IS NULL AND finished_at <= unixepoch() - ${OLD_MODEL_KEPT_SECONDS}
         AND NOT EXISTS (SELECT 1 FROM recommend_models WHERE owner_id = r.owner_id AND run_id = r.id)
         -- Nor has its successor only just come.
         AND NOT EXISTS (SELECT 1 FROM recommend_models
                         WHERE owner_id = r.owner_id AND published_at > unixepoch() - ${OLD_MODEL_KEPT_SECONDS})
       LIMIT ${DROPPED_PER_LOOK}`,
    )
    .all<{ id: string }>();
  return results.map(({ id }) => id);
}

export async function markDropped(db: D1Database, runId: string): Promise<void> {
  await db.prepare('UPDATE recommend_runs SET dropped_at = unixepoch() WHERE id = ?').bind(runId).run();
}

export function renderRun(row: RunRow): RecommendRun {
  return {
    runId: row.id,
    state: row.state,
    rows: row.export_rows,
    ...(row.summary !== null && { model: ModelSummary.parse(JSON.parse(row.summary)) }),
    ...(row.state === 'failed' && {
      error: { code: row.error_code ?? 'recommend_failed', detail: row.error_detail ?? '' },
    }),
    createdAt: rfc3339(row.created_at),
    ...(row.finished_at !== null && { finishedAt: rfc3339(row.finished_at) }),
  };
}

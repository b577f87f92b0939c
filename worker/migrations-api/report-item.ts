// What a migrator tells of an item: each transition is one compare-and-set, and the end of an item is told to
// webhooks in the same batch.
import { AppError } from '../../shared/errors.ts';
import { attemptTag, type ItemReport, type MigrationItem } from '../../shared/migration-api.ts';
import { type Guard, newToken } from '../jobs/guard.ts';
import { eventStatement } from '../webhooks/events.ts';
import { itemOf } from './store.ts';

type Owner = { ownerId: string; migrationId: string };

/** Told twice it is told once. @throws AppError `not_found`, `video_busy` where the item has moved on without this. */
export async function reportItem(
  db: D1Database,
  owner: Owner,
  key: string,
  report: ItemReport,
): Promise<MigrationItem> {
  const token = newToken();
  const isTold: Guard = {
    sql: 'EXISTS (SELECT 1 FROM migration_items WHERE owner_id = ? AND key = ? AND token = ?)',
    params: [owner.ownerId, key, token],
  };
  const before = await itemOf(db, owner, key);
  const transition = transitionOf(owner, key, report);
  const change = db
    .prepare(
      `UPDATE migration_items SET token = ?, updated_at = unixepoch(), ${transition.set}
       WHERE owner_id = ? AND key = ? AND migration_id = ? AND (${transition.when})`,
    )
    .bind(
      ...[token, ...transition.setParams],
      ...[owner.ownerId, key, owner.migrationId, ...transition.whenParams],
    );
  const [changed] = await db.batch([change, ...endEvent(db, owner, before, report, isTold)]);
  const item = await itemOf(db, owner, key);
  if (changed!.meta.changes === 1 || hasBeenTold(item, report)) return item;
  throw new AppError('video_busy', {
    detail: `The item is ${item.state} in its attempt ${item.attempt}; it cannot become ${report.state} by this report.`,
  });
}

type Transition = { set: string; setParams: unknown[]; when: string; whenParams: unknown[] };

function transitionOf(owner: Owner, key: string, report: ItemReport): Transition {
  switch (report.state) {
    case 'converting':
      return {
        set: `state = 'converting', attempt = ?, video_id = ?, job_id = ?`,
        setParams: [report.attempt, report.videoId, report.jobId],
        // The tag proves that the video was made for this very attempt: nothing else can ever be rolled back.
        when: `state = 'pending' AND attempt = ? - 1 AND EXISTS (
          SELECT 1 FROM videos v JOIN jobs j ON j.video_id = v.id
          WHERE v.id = ? AND v.owner_id = ? AND j.id = ?
            AND EXISTS (SELECT 1 FROM json_each(v.tags) WHERE value = ?))`,
        whenParams: [
          ...[report.attempt, report.videoId, owner.ownerId, report.jobId],
          attemptTag(key, report.attempt),
        ],
      };
    case 'pending':
      return {
        set: `state = 'pending', attempt = ?, video_id = NULL, job_id = NULL, error_code = ?, error_detail = ?`,
        setParams: [report.attempt, report.error.code, report.error.detail],
        when: `(state = 'converting' AND attempt = ?) OR (state = 'pending' AND attempt = ? - 1)`,
        whenParams: [report.attempt, report.attempt],
      };
    case 'done':
      return {
        set: `state = 'done', duration_seconds = ?, error_code = NULL, error_detail = NULL`,
        setParams: [report.durationSeconds],
        when: `state = 'converting' AND attempt = ?
          AND EXISTS (SELECT 1 FROM jobs j WHERE j.id = job_id AND j.state = 'succeeded')`,
        whenParams: [report.attempt],
      };
    case 'failed':
      return {
        set: `state = 'failed', error_code = ?, error_detail = ?, attempt = max(attempt, ?)${
          report.keepsVideo ? '' : ', video_id = NULL, job_id = NULL'
        }`,
        setParams: [report.error.code, report.error.detail, report.attempt],
        when: `state IN ('pending', 'converting') AND attempt <= ?`,
        whenParams: [report.attempt],
      };
    case 'rolled_back':
      return {
        set: `state = 'rolled_back', video_id = NULL, job_id = NULL, duration_seconds = NULL`,
        setParams: [],
        // The video goes first: an item without one never leaves it behind.
        when: `state <> 'rolled_back' AND NOT EXISTS
          (SELECT 1 FROM videos v WHERE v.id = video_id AND v.state <> 'deleting')`,
        whenParams: [],
      };
  }
}

const ENDS: readonly string[] = ['done', 'failed', 'rolled_back'];

function endEvent(
  db: D1Database,
  { ownerId, migrationId }: Owner,
  before: MigrationItem,
  report: ItemReport,
  guard: Guard,
): D1PreparedStatement[] {
  if (!ENDS.includes(report.state)) return [];
  const attempt = 'attempt' in report ? report.attempt : before.attempt;
  const { kind, contentId, source, key, videoId } = before;
  const data = {
    ...{ migrationId, item: key, state: report.state, source, attempt, kind },
    ...(contentId !== undefined && { contentId }),
    ...('error' in report && { error: report.error }),
    ...(report.state === 'done' && { durationSeconds: report.durationSeconds }),
  };
  const about = report.state === 'done' && videoId !== undefined ? { videoId } : { ownerId };
  const eventKey = `${migrationId}_${key}_${attempt}_${report.state}`;
  return [eventStatement(db, { type: 'migration.item', key: eventKey, about, data }, guard)];
}

function hasBeenTold(item: MigrationItem, report: ItemReport): boolean {
  if (item.state !== report.state) return false;
  if ('attempt' in report && item.attempt !== report.attempt) return false;
  return report.state !== 'converting' || item.videoId === report.videoId;
}

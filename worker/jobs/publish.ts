// The end of a job with success: in one batch the job ends and the video's pointer moves to its generation.
import { AppError } from '../../shared/errors.ts';
import type { Presentation } from '../../shared/messages.ts';
import type { Receipt } from '../../shared/receipt.ts';
import { eventStatement } from '../webhooks/events.ts';
import { type HeldTask, newToken, taskGuard } from './guard.ts';
import { currentOf } from './ledger.ts';
import { supersedeStatement } from './stale-generations.ts';

/**
 * Publishes the job of a held `finish` task. The pointer only moves forward: an older job that ends later
 * succeeds without taking the video back. Told twice, it answers twice the same.
 *
 * @throws AppError lease_lost where the attempt is over.
 */
export async function publishJob(
  db: D1Database,
  held: HeldTask,
  presentation: Presentation,
  receipt?: Receipt,
  manifestRevision = 0,
): Promise<void> {
  if (held.task !== 'finish') throw new AppError('lease_lost', { detail: 'Only the finish task publishes.' });
  const token = newToken();
  const isFinished = taskGuard(held, token);
  const isPublished = 'EXISTS (SELECT 1 FROM jobs WHERE id = ? AND publish_token = ?)';
  const results = await db.batch<{ name: string }>([
    db
      .prepare(
        `UPDATE tasks SET state = 'done', finished_at = unixepoch(), lease_until = 0, token = ?
         WHERE job_id = ? AND name = 'finish' AND epoch = ? AND state = 'running' RETURNING name`,
      )
      .bind(token, held.jobId, held.epoch),
    db
      .prepare(
        `UPDATE jobs SET state = 'succeeded', receipt = ?, publish_token = ?, finished_at = unixepoch()
         WHERE id = ? AND state = 'running' AND ${isFinished.sql}`,
      )
      .bind(receipt ? JSON.stringify(receipt) : null, token, held.jobId, ...isFinished.params),
    db
      .prepare(
        `UPDATE videos SET state = 'ready', published_job = j.id, published_seq = j.seq, output_prefix = j.output_prefix,
           protection = coalesce(j.options ->> '$.protection', 'none'), presentation = ?, manifest_revision = ?, ready_at = coalesce(videos.ready_at, unixepoch()), error_code = NULL, error_detail = NULL
         FROM jobs j
         WHERE j.id = ? AND videos.id = j.video_id AND videos.state <> 'deleting' AND videos.published_seq < j.seq
           AND ${isPublished}`,
      )
      .bind(JSON.stringify(presentation), manifestRevision, held.jobId, held.jobId, token),
    // What is ready needs no copy any more; whoever plays it keeps what is there.
    db
      .prepare(
        `UPDATE tasks SET state = 'cancelled', finished_at = unixepoch(), lease_until = 0, worker_id = NULL
         WHERE job_id = ? AND kind = 'instant' AND state IN ('ready', 'running') AND ${isFinished.sql}`,
      )
      .bind(held.jobId, ...isFinished.params),
    // The client's own id follows its owner's newest upload; an older video published again does not take it back.
    db
      .prepare(
        `INSERT INTO contents (kind, content_id, owner_id, video_id)
         SELECT kind, content_id, owner_id, id FROM videos
         WHERE published_job = ? AND id = (SELECT video_id FROM jobs WHERE id = ?) AND content_id IS NOT NULL AND ${isPublished}
         ON CONFLICT (kind, content_id) DO UPDATE SET video_id = excluded.video_id
         WHERE contents.owner_id = excluded.owner_id
           AND coalesce((SELECT created_at FROM videos WHERE id = contents.video_id), 0)
             <= (SELECT created_at FROM videos WHERE id = excluded.video_id)`,
      )
      .bind(held.jobId, held.jobId, held.jobId, token),
    eventStatement(
      db,
      { type: 'video.ready', key: held.jobId, about: held, data: { jobId: held.jobId } },
      {
        sql: `EXISTS (SELECT 1 FROM videos v JOIN jobs j ON j.video_id = v.id WHERE j.id = ? AND v.published_job = j.id) AND ${isPublished}`,
        params: [held.jobId, held.jobId, token],
      },
    ),
    supersedeStatement(db, held.jobId, { sql: isPublished, params: [held.jobId, token] }),
  ]);
  if (!results[0]?.results[0]) await currentOf(db, held, ['done']);
}

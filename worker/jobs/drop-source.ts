// A source whose bytes are not those its owner declared is no source: no job of its video may use it again.
import type { AppError } from '../../shared/errors.ts';
import type { Guard } from './guard.ts';

/** Takes the job's source away from its video where `guard` holds. The cron of the uploads deletes its bytes. */
export function dropSourceStatements(
  db: D1Database,
  jobId: string,
  reason: Pick<AppError, 'code' | 'detail'>,
  guard: Guard,
): D1PreparedStatement[] {
  const ofJob = '(SELECT video_id, source_key FROM jobs WHERE id = ?)';
  return [
    db
      .prepare(
        `UPDATE uploads SET state = 'rejected', error_code = ?, error_detail = ?, has_leftovers = 1
         WHERE (video_id, object_key) = ${ofJob} AND state = 'accepted' AND (${guard.sql})`,
      )
      .bind(reason.code, reason.detail, jobId, ...guard.params),
    db
      .prepare(
        `UPDATE videos SET source_key = NULL, source_etag = NULL, source_bytes = NULL, source_sha256 = NULL
         WHERE (id, source_key) = ${ofJob} AND (${guard.sql})`,
      )
      .bind(jobId, ...guard.params),
  ];
}

// The ledger of `import` tasks: what is to be fetched, which parts are durable, and the same once more for a job
// that is tried again.
import { AppError } from '../../shared/errors.ts';
import type { ImportedPart, ImportOrder } from '../../shared/messages.ts';
import { sourceKey } from '../../shared/object-keys.ts';
import type { Config } from '../env.ts';
import { createJobStatements, type NewJob } from './create.ts';
import { type Guard, type HeldTask, newToken, taskGuard } from './guard.ts';
import { type Committed, currentOf } from './ledger.ts';

export type ImportOrigin = { url: string } | { bucketKey: string };

export const IMPORT_TASK = 'import';

/**
 * A job that begins with fetching its source, for the batch that has inserted `uploadId` with method `import`.
 * The upload stays open for as long as the job does.
 */
export function createImportStatements(
  db: D1Database,
  job: NewJob,
  uploadId: string,
  origin: ImportOrigin,
): D1PreparedStatement[] {
  const isOpen: Guard = {
    sql: `EXISTS (SELECT 1 FROM uploads WHERE id = ? AND method = 'import' AND state IN ('created', 'receiving'))`,
    params: [uploadId],
  };
  return [
    ...createJobStatements(db, { ...job, firstTask: IMPORT_TASK }, isOpen),
    db
      .prepare(
        `INSERT INTO imports (job_id, upload_id, url, bucket_key) SELECT ?, ?, ?, ? WHERE ${isOpen.sql}
         ON CONFLICT (job_id) DO NOTHING`,
      )
      .bind(
        ...[job.jobId, uploadId, 'url' in origin ? origin.url : null],
        ...['bucketKey' in origin ? origin.bucketKey : null, ...isOpen.params],
      ),
    holdOpenStatement(db, uploadId),
  ];
}

/** An import ends with its job, not by the clock of uploads that wait for a client. */
function holdOpenStatement(db: D1Database, uploadId: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE uploads SET state = 'receiving', expires_at = unixepoch('now', '+10 years')
       WHERE id = ? AND state IN ('created', 'receiving')`,
    )
    .bind(uploadId);
}

/** The job that tries a failed import again, as a new upload of the same origin. */
export async function importAgain(db: D1Database, failedJobId: string, job: NewJob): Promise<boolean> {
  const uploadId = crypto.randomUUID();
  const source = { ...job.source, key: sourceKey(job.videoId, uploadId) };
  const isInserted: Guard = { sql: 'EXISTS (SELECT 1 FROM uploads WHERE id = ?)', params: [uploadId] };
  const results = await db.batch([
    db
      .prepare(
        `INSERT INTO uploads (id, video_id, owner_id, method, filename, size_bytes, part_bytes, part_count, sha256,
                              state, object_key, expires_at)
         SELECT ?, u.video_id, u.owner_id, 'import', u.filename, 0, 0, 0, u.sha256, 'created', ?, unixepoch()
         FROM imports i JOIN uploads u ON u.id = i.upload_id JOIN videos v ON v.id = u.video_id
         WHERE i.job_id = ? AND v.source_key IS NULL AND v.state <> 'deleting'
           AND NOT EXISTS (SELECT 1 FROM jobs WHERE video_id = v.id AND state IN ('queued', 'running'))`,
      )
      .bind(uploadId, source.key, failedJobId),
    ...createJobStatements(db, { ...job, source, firstTask: IMPORT_TASK }, isInserted),
    db
      .prepare(
        `INSERT INTO imports (job_id, upload_id, url, bucket_key)
         SELECT ?, ?, url, bucket_key FROM imports WHERE job_id = ? AND ${isInserted.sql}`,
      )
      .bind(job.jobId, uploadId, failedJobId, ...isInserted.params),
    holdOpenStatement(db, uploadId),
    db.prepare('SELECT 1 FROM jobs WHERE id = ?').bind(job.jobId),
  ]);
  return results.at(-1)!.results.length > 0;
}

type OrderRow = {
  url: string | null;
  bucket_key: string | null;
  validator: string | null;
  size_bytes: number;
  part_bytes: number;
  r2_upload_id: string | null;
  seconds_left: number;
};

/** What the claim of an import task tells the transcoder. */
export async function importOrderOf(db: D1Database, jobId: string, config: Config): Promise<ImportOrder> {
  const row = await db
    .prepare(
      `SELECT i.url, i.bucket_key, i.validator, u.size_bytes, u.part_bytes, u.r2_upload_id,
         t.started_at + ? - unixepoch() AS seconds_left
       FROM imports i JOIN uploads u ON u.id = i.upload_id
       JOIN tasks t ON t.job_id = i.job_id AND t.name = '${IMPORT_TASK}' WHERE i.job_id = ?`,
    )
    .bind(config.IMPORT_MAX_SECONDS, jobId)
    .first<OrderRow>();
  if (!row) throw new AppError('internal', { detail: 'There is no import for this job.' });
  return {
    ...(row.url !== null && { url: row.url }),
    ...(row.bucket_key !== null && { bucketKey: row.bucket_key }),
    maxBytes: config.IMPORT_MAX_BYTES,
    secondsLeft: row.seconds_left,
    ports: config.IMPORT_PORTS,
    ...(row.r2_upload_id !== null && {
      begun: {
        r2UploadId: row.r2_upload_id,
        partSizeBytes: row.part_bytes,
        ...(row.validator !== null && { validator: row.validator }),
        ...(row.size_bytes > 0 && { sizeBytes: row.size_bytes }),
      },
    }),
  };
}

/**
 * Remembers part `mark` of an import, exactly one further than the mark, and renews the lease. The last commit may
 * be repeated.
 *
 * @throws AppError lease_lost, or commit_out_of_order for a gap or a step back.
 */
export async function commitPart(
  db: D1Database,
  held: HeldTask,
  mark: number,
  part: ImportedPart,
  leaseSeconds: number,
): Promise<Committed> {
  const token = newToken();
  const isCommitted = taskGuard(held, token);
  const results = await db.batch<{ mark: number }>([
    db
      .prepare(
        `UPDATE tasks SET mark = mark + 1, lease_until = unixepoch() + ?, token = ?
         WHERE job_id = ? AND name = ? AND kind = 'import' AND epoch = ? AND state = 'running' AND mark = ?
         RETURNING mark`,
      )
      .bind(leaseSeconds, token, held.jobId, held.task, held.epoch, mark - 1),
    db
      .prepare(
        `INSERT INTO upload_parts (upload_id, number, size_bytes, etag)
         SELECT upload_id, ?, ?, ? FROM imports WHERE job_id = ? AND ${isCommitted.sql}
         ON CONFLICT (upload_id, number) DO UPDATE SET size_bytes = excluded.size_bytes, etag = excluded.etag`,
      )
      .bind(mark, part.sizeBytes, part.etag, held.jobId, ...isCommitted.params),
  ]);
  if (results[0]?.results[0]) return { mark, framesDone: 0 };
  const current = await currentOf(db, held, ['running']);
  if (current.mark === mark) return { mark, framesDone: 0 };
  throw new AppError('commit_out_of_order', {
    detail: `The ledger holds ${current.mark} parts; part ${mark} does not follow.`,
  });
}

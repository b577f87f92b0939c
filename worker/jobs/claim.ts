// Handing out work: which task is the most urgent is decided here, in one statement.

import { AppError } from '../../shared/errors.ts';
import type { Claim, ClaimRequest, StorageAccess } from '../../shared/messages.ts';
import { PlanOptions } from '../../shared/plan.ts';
import { signToken } from '../../shared/sign.ts';
import type { TaskKind } from '../../shared/states.ts';
import type { Config } from '../env.ts';
import { ENCODER_RULE, encodersOf, encodersSeenStatements } from './encoders.ts';
import { type HeldTask, newToken } from './guard.ts';
import { importOrderOf } from './imports.ts';

/** A job token outlives its lease by this factor; heartbeats bring a fresh one. */
const TOKEN_LEASES = 20;

/** Videos up to this long go before longer ones of the same rank. */
const SHORT_VIDEO_SECONDS = 5 * 60;

// Chunk tasks of one job are all made by one encoder profile. Until a chunk has a commit or an encoder at
// work, any profile may begin; from then on only the job's.
const PROFILE_RULE = `(t.kind <> 'chunk' OR j.profile = ? OR NOT EXISTS (
  SELECT 1 FROM tasks c WHERE c.job_id = t.job_id AND c.kind = 'chunk' AND (c.mark > 0 OR c.state = 'running')))`;

const CLAIM = `
  UPDATE tasks SET state = 'running', epoch = epoch + 1, worker_id = ?, lease_until = unixepoch() + ?,
    mark_at_claim = mark, token = ?, started_at = coalesce(started_at, unixepoch())
  WHERE (job_id, name) = (
    SELECT t.job_id, t.name FROM tasks t
    JOIN jobs j ON j.id = t.job_id
    LEFT JOIN (SELECT rj.owner_id, count(*) AS running FROM tasks rt JOIN jobs rj ON rj.id = rt.job_id
               WHERE rt.state = 'running' GROUP BY rj.owner_id) busy ON busy.owner_id = j.owner_id
    WHERE t.state = 'ready' AND t.not_before <= unixepoch() AND j.state IN ('queued', 'running') AND ${PROFILE_RULE}
      AND ${ENCODER_RULE}
    ORDER BY j.priority DESC,
      CASE t.kind WHEN 'plan' THEN 0 WHEN 'instant' THEN 1 ELSE 2 END,
      j.watched_until > unixepoch() DESC,
      CASE WHEN t.kind = 'finish' THEN 0 WHEN t.kind = 'chunk' AND t.idx = 0 THEN 1 WHEN t.kind = 'audio' THEN 2
        WHEN t.kind = 'text' THEN 4 ELSE 3 END,
      coalesce(j.duration_seconds, 0) <= ${SHORT_VIDEO_SECONDS} DESC,
      coalesce(busy.running, 0),
      j.created_at, j.id, t.idx
    LIMIT 1)
  RETURNING job_id AS jobId, name, kind, idx AS "index", epoch, mark`;

type ClaimedTask = {
  jobId: string;
  name: string;
  kind: TaskKind;
  index: number;
  epoch: number;
  mark: number;
};
type ClaimedJob = {
  video_id: string;
  source_key: string;
  source_etag: string;
  source_bytes: number;
  source_sha256: string | null;
  output_prefix: string;
  options: string;
};

/** The most urgent ready task, now leased to the asking worker; undefined when there is none for it. */
export async function claimTask(
  db: D1Database,
  request: ClaimRequest,
  config: Config,
): Promise<Claim | undefined> {
  const storage = storageAccess(config);
  const token = newToken();
  const encoders = encodersOf(request);
  const isClaimed = `id = (SELECT job_id FROM tasks WHERE worker_id = ? AND state = 'running' AND token = ?)`;
  const results = await db.batch([
    db
      .prepare(CLAIM)
      .bind(request.workerId, config.LEASE_SECONDS, token, request.profile, JSON.stringify(encoders)),
    db
      .prepare(
        `UPDATE jobs SET state = 'running', started_at = coalesce(started_at, unixepoch()),
           profile = CASE WHEN EXISTS (SELECT 1 FROM tasks WHERE worker_id = ? AND state = 'running' AND token = ? AND kind = 'chunk')
                     THEN ? ELSE profile END
         WHERE ${isClaimed}`,
      )
      .bind(request.workerId, token, request.profile, request.workerId, token),
    db.prepare(`SELECT * FROM jobs WHERE ${isClaimed}`).bind(request.workerId, token),
    ...encodersSeenStatements(db, encoders),
  ]);
  const task = results[0]?.results[0] as ClaimedTask | undefined;
  const job = results[2]?.results[0] as ClaimedJob | undefined;
  if (!task || !job) return undefined;
  return {
    jobToken: await signJobToken({ jobId: task.jobId, task: task.name, epoch: task.epoch }, config),
    leaseSeconds: config.LEASE_SECONDS,
    heartbeatSeconds: config.HEARTBEAT_SECONDS,
    task,
    job: {
      videoId: job.video_id,
      source: {
        key: job.source_key,
        etag: job.source_etag,
        sizeBytes: job.source_bytes,
        ...(job.source_sha256 !== null && { sha256: job.source_sha256 }),
      },
      outputPrefix: job.output_prefix,
      options: PlanOptions.parse(JSON.parse(job.options)),
      ...(task.kind === 'import' && { import: await importOrderOf(db, task.jobId, config) }),
    },
    storage,
  };
}

/** What every later call about this attempt is authenticated by. */
export function signJobToken(held: HeldTask, config: Config): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + TOKEN_LEASES * config.LEASE_SECONDS;
  return signToken('job', { job: held.jobId, task: held.task, epoch: held.epoch, exp }, config.SIGNING_KEYS);
}

// The deployment's own key reaches the whole bucket. Where R2 temporary credentials are at hand, production
// may scope it further here: the source read-only, `outputPrefix` and `work/{jobId}/` writable, for the lease.
function storageAccess(config: Config): StorageAccess {
  const { R2_S3_ENDPOINT, R2_ACCESS_KEY_ID, R2_SECRET_ACCESS_KEY } = config;
  if (!R2_S3_ENDPOINT || !R2_ACCESS_KEY_ID || !R2_SECRET_ACCESS_KEY) {
    throw new AppError('storage_unavailable', {
      detail:
        'R2_S3_ENDPOINT, R2_ACCESS_KEY_ID and R2_SECRET_ACCESS_KEY must be set before transcoders can work.',
    });
  }
  return {
    endpoint: R2_S3_ENDPOINT,
    bucket: config.R2_BUCKET_NAME,
    accessKeyId: R2_ACCESS_KEY_ID,
    secretAccessKey: R2_SECRET_ACCESS_KEY,
  };
}

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

/** Of the head of the line, of owners with something ready, of each of them, and of jobs being watched. */
const HEAD_TASKS = 50;
const OWNERS = 100;
const TASKS_OF_OWNER = 5;
const WATCHED_JOBS = 20;

const IN_LINE = `state = 'ready' AND not_before <= unixepoch()`;
const LINE = 'rank, job_created_at, job_id, idx';

// `tasks.rank` holds what the order below makes of a job's priority and length and of the task's kind; a trigger
// keeps it. The most urgent task is the first of its owner's, so the first few of each owner are enough to find it,
// or of a job that is being watched. Where there are more owners than are looked at, the head of the line is: nobody
// waits for ever.
const CANDIDATES = `(
  WITH RECURSIVE owners (id) AS (
    SELECT min(owner_id) FROM tasks INDEXED BY tasks_by_owner WHERE state = 'ready'
    UNION ALL
    SELECT (SELECT min(t.owner_id) FROM tasks t INDEXED BY tasks_by_owner WHERE t.state = 'ready' AND t.owner_id > owners.id)
    FROM owners WHERE owners.id IS NOT NULL LIMIT ${OWNERS})
  SELECT job_id, name FROM (
    SELECT job_id, name FROM tasks INDEXED BY tasks_by_rank WHERE ${IN_LINE} ORDER BY ${LINE} LIMIT ${HEAD_TASKS})
  UNION
  SELECT first.value ->> 0, first.value ->> 1 FROM owners, json_each((
    SELECT json_group_array(json_array(job_id, name)) FROM (
      SELECT job_id, name FROM tasks INDEXED BY tasks_by_owner WHERE owner_id = owners.id AND ${IN_LINE}
      ORDER BY ${LINE} LIMIT ${TASKS_OF_OWNER}))) first
  UNION
  SELECT w.job_id, w.name FROM (
    SELECT id FROM jobs INDEXED BY jobs_watched WHERE state = 'running' AND watched_until > unixepoch()
    ORDER BY watched_until DESC LIMIT ${WATCHED_JOBS}) watched
  JOIN tasks w ON w.job_id = watched.id WHERE w.state = 'ready')`;

/** Every ready task there is: for a transcoder whom the rules keep from all candidates. */
const EVERYTHING = `(SELECT job_id, name FROM tasks INDEXED BY tasks_ready WHERE ${IN_LINE})`;

const claimStatement = (candidates: string) => `
  UPDATE tasks SET state = 'running', epoch = epoch + 1, worker_id = ?, lease_until = unixepoch() + ?,
    mark_at_claim = mark, token = ?, started_at = coalesce(started_at, unixepoch())
  WHERE (job_id, name) = (
    SELECT t.job_id, t.name FROM ${candidates} candidate
    CROSS JOIN tasks t ON t.job_id = candidate.job_id AND t.name = candidate.name
    CROSS JOIN jobs j ON j.id = t.job_id
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
  traceparent: string | null;
};

/** The most urgent ready task, now leased to the asking worker; undefined when there is none for it. */
export async function claimTask(
  db: D1Database,
  request: ClaimRequest,
  config: Config,
): Promise<Claim | undefined> {
  const found = await claimAmong(CANDIDATES, db, request, config);
  return found ?? ((await isAnythingReady(db)) ? claimAmong(EVERYTHING, db, request, config) : undefined);
}

async function isAnythingReady(db: D1Database): Promise<boolean> {
  const row = await db.prepare(`SELECT 1 FROM tasks INDEXED BY tasks_ready WHERE ${IN_LINE} LIMIT 1`).first();
  return row !== null;
}

async function claimAmong(
  candidates: string,
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
      .prepare(claimStatement(candidates))
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
      ...(job.traceparent !== null && { traceparent: job.traceparent }),
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
export function storageAccess(config: Config): StorageAccess {
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

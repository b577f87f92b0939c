// Which transcoder may take a job by its encoder, and the end of jobs whose encoder nobody has.
import type { VideoEncoder } from '../../shared/encoder.ts';
import { endJobStatements } from './end-job.ts';

/** Every transcoder has it: its start-up check insists. */
const COMMON: VideoEncoder = 'libx264';
/** What a task of these kinds runs the job's encoder for. */
const ENCODING_KINDS = `('plan', 'chunk')`;
const ENCODER_OF = `coalesce(j.options ->> 'encoder', '${COMMON}')`;

/** Of task `t` and its job `j`; binds the JSON of the asking worker's encoders. */
export const ENCODER_RULE = `(t.kind NOT IN ${ENCODING_KINDS} OR ${ENCODER_OF} IN (SELECT value FROM json_each(?)))`;

/** One write per half minute and encoder at most, whatever the number of claims. */
const SEEN_STEP_SECONDS = 30;
const MAX_REFUSED = 20;

export function encodersOf(claim: { encoders?: VideoEncoder[] | undefined }): VideoEncoder[] {
  return claim.encoders ?? [COMMON];
}

/** Remembers that there is a transcoder with these encoders; none for what all of them have. */
export function encodersSeenStatements(db: D1Database, encoders: VideoEncoder[]): D1PreparedStatement[] {
  return encoders
    .filter((encoder) => encoder !== COMMON)
    .map((encoder) =>
      db
        .prepare(
          `INSERT INTO encoders_seen (encoder, seen_at) VALUES (?, unixepoch())
           ON CONFLICT (encoder) DO UPDATE SET seen_at = unixepoch() WHERE seen_at < unixepoch() - ${SEEN_STEP_SECONDS}`,
        )
        .bind(encoder),
    );
}

/**
 * Ends the jobs whose encoder no transcoder has shown for so long, while nothing that needs it is at work: one that is
 * busy to its last slot asks for nothing. Returns their ids.
 */
export async function refuseUnserved(db: D1Database, waitSeconds: number): Promise<string[]> {
  const { results } = await db
    .prepare(
      // Jobs of the common encoder, which are nearly all, are not in the index.
      `SELECT DISTINCT t.job_id AS jobId, ${ENCODER_OF} AS encoder
       FROM jobs j INDEXED BY jobs_by_encoder CROSS JOIN tasks t ON t.job_id = j.id
       WHERE t.state = 'ready' AND t.not_before <= unixepoch() - ?1 AND t.kind IN ${ENCODING_KINDS}
         AND j.state IN ('queued', 'running') AND ${ENCODER_OF} <> '${COMMON}'
         AND NOT EXISTS (SELECT 1 FROM encoders_seen e WHERE e.encoder = ${ENCODER_OF} AND e.seen_at > unixepoch() - ?1)
         AND NOT EXISTS (SELECT 1 FROM tasks r JOIN jobs rj ON rj.id = r.job_id
                         WHERE r.state = 'running' AND r.kind IN ${ENCODING_KINDS} AND rj.options ->> 'encoder' = ${ENCODER_OF})
       LIMIT ${MAX_REFUSED}`,
    )
    .bind(waitSeconds)
    .all<{ jobId: string; encoder: string }>();
  const statements = results.flatMap(({ jobId, encoder }) =>
    endJobStatements(
      db,
      jobId,
      {
        state: 'failed',
        code: 'encoder_not_available',
        detail: `No transcoder with ${encoder} has asked for work in ${waitSeconds} seconds. Start one on a machine that has it, or transcode with libx264.`,
      },
      {
        sql: `NOT EXISTS (SELECT 1 FROM tasks WHERE job_id = ? AND state = 'running' AND kind IN ${ENCODING_KINDS})`,
        params: [jobId],
      },
    ),
  );
  if (statements.length > 0) await db.batch(statements);
  return results.map(({ jobId }) => jobId);
}

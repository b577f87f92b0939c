// Deleted stays deleted: what was asleep while a video went, a paused transcoder or a client in the middle of a
// body, may write under its prefixes afterwards. They are looked at again when nothing can any more.
import { DAY_SECONDS } from '../../shared/limits.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import type { Env } from '../env.ts';
import { deletePrefix } from '../r2.ts';

const PREFIXES_PER_RUN = 50;
const LISTS_PER_PREFIX = 5;
/** The first look comes when no lease of the video can be held any more, the last one when nothing lives. */
const FIRST_LOOK_LEASES = 4;
const LAST_LOOK_SECONDS = DAY_SECONDS;
const LOOKS = 2;

export function rememberStatement(
  db: D1Database,
  prefixes: readonly string[],
  leaseSeconds: number,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO purged_prefixes (prefix, due_at) SELECT value, unixepoch() + ? FROM json_each(?) WHERE 1
       ON CONFLICT (prefix) DO NOTHING`,
    )
    .bind(FIRST_LOOK_LEASES * leaseSeconds, JSON.stringify(prefixes));
}

/** Deletes what came late. Does not throw: what fails is tried again with the next look. */
export async function lookAgain(env: Env, log: Log): Promise<void> {
  const { results } = await env.DB.prepare(
    `UPDATE purged_prefixes SET due_at = unixepoch() + ${LAST_LOOK_SECONDS}, looks = looks + 1
     WHERE prefix IN (SELECT prefix FROM purged_prefixes INDEXED BY purged_prefixes_due
                      WHERE due_at <= unixepoch() ORDER BY due_at LIMIT ${PREFIXES_PER_RUN})
     RETURNING prefix, looks`,
  ).all<{ prefix: string; looks: number }>();
  const empty: string[] = [];
  for (const { prefix, looks } of results) {
    try {
      const isEmpty = await deletePrefix(env.MEDIA, prefix, LISTS_PER_PREFIX);
      if (isEmpty && looks >= LOOKS) empty.push(prefix);
    } catch (error) {
      log.warn('video.late_objects_left', { prefix, ...errorFields(error) });
    }
  }
  if (empty.length === 0) return;
  await env.DB.prepare('DELETE FROM purged_prefixes WHERE prefix IN (SELECT value FROM json_each(?))')
    .bind(JSON.stringify(empty))
    .run();
}

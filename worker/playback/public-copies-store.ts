// SQL of the PUBLIC bucket's copies. Rows of changes are written by triggers (migration 0016).

type Change = { videoId: string; version: number };

/** Changes to be settled, kept from others for the lease. */
export async function dueChanges(db: D1Database, limit: number, leaseSeconds: number): Promise<Change[]> {
  const { results } = await db
    .prepare(
      `UPDATE public_changes SET next_at = unixepoch() + ?2
       WHERE video_id IN (SELECT video_id FROM public_changes WHERE next_at <= unixepoch() ORDER BY next_at LIMIT ?1)
       RETURNING video_id AS videoId, version`,
    )
    .bind(limit, leaseSeconds)
    .all<Change>();
  return results;
}

export async function isCurrent(db: D1Database, { videoId, version }: Change): Promise<boolean> {
  const row = await db
    .prepare('SELECT 1 FROM public_changes WHERE video_id = ? AND version = ?')
    .bind(videoId, version)
    .first();
  return row !== null;
}

/** Unless something has changed since. */
export async function settle(db: D1Database, { videoId, version }: Change): Promise<void> {
  await db
    .prepare('DELETE FROM public_changes WHERE video_id = ? AND version = ?')
    .bind(videoId, version)
    .run();
}

export async function noteChange(db: D1Database, videoId: string): Promise<void> {
  await db
    .prepare(
      `INSERT INTO public_changes (video_id) VALUES (?)
       ON CONFLICT (video_id) DO UPDATE SET version = version + 1, next_at = unixepoch()`,
    )
    .bind(videoId)
    .run();
}

export async function copiesOf(db: D1Database, videoId: string): Promise<string[]> {
  const { results } = await db
    .prepare('SELECT prefix FROM public_copies WHERE video_id = ?')
    .bind(videoId)
    .all<{ prefix: string }>();
  return results.map(({ prefix }) => prefix);
}

/** Before its first object, so that whatever is in the bucket is known to be there. */
export async function noteCopy(db: D1Database, prefix: string, videoId: string): Promise<void> {
  await db
    .prepare('INSERT INTO public_copies (prefix, video_id) VALUES (?, ?) ON CONFLICT (prefix) DO NOTHING')
    .bind(prefix, videoId)
    .run();
}

export async function removeCopy(db: D1Database, prefix: string): Promise<void> {
  await db.prepare('DELETE FROM public_copies WHERE prefix = ?').bind(prefix).run();
}

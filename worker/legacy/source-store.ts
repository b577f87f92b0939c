// SQL of registered sources. Every statement names the owner.
import type { LegacyTitle } from '../../shared/legacy-api.ts';
import type { LegacySource } from '../../shared/legacy-source-api.ts';

export type SourceRow = { kind: string; content_id: string; bucket_key: string | null; url: string | null };

export function sourceOf(db: D1Database, ownerId: string, title: LegacyTitle): Promise<SourceRow | null> {
  return db
    .prepare('SELECT * FROM legacy_sources WHERE owner_id = ? AND kind = ? AND content_id = ?')
    .bind(ownerId, title.kind, title.contentId)
    .first<SourceRow>();
}

/** In the order of their titles, after the given one. */
export async function listSources(
  db: D1Database,
  ownerId: string,
  after: [kind: string, contentId: string],
  limit: number,
): Promise<SourceRow[]> {
  const { results } = await db
    .prepare(
      `SELECT * FROM legacy_sources WHERE owner_id = ? AND (kind, content_id) > (?, ?)
       ORDER BY kind, content_id LIMIT ?`,
    )
    .bind(ownerId, ...after, limit)
    .all<SourceRow>();
  return results;
}

/** What was registered for a title before is replaced. */
export async function registerSources(
  db: D1Database,
  ownerId: string,
  sources: LegacySource[],
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO legacy_sources (owner_id, kind, content_id, bucket_key, url)
       SELECT ?, value ->> 'kind', value ->> 'contentId', value ->> 'bucketKey', value ->> 'url' FROM json_each(?)
       WHERE true
       ON CONFLICT (owner_id, kind, content_id) DO UPDATE
         SET bucket_key = excluded.bucket_key, url = excluded.url, created_at = excluded.created_at`,
    )
    .bind(ownerId, JSON.stringify(sources))
    .run();
}

export async function forgetSource(
  db: D1Database,
  ownerId: string,
  kind: string,
  contentId: string,
): Promise<boolean> {
  const { meta } = await db
    .prepare('DELETE FROM legacy_sources WHERE owner_id = ? AND kind = ? AND content_id = ?')
    .bind(ownerId, kind, contentId)
    .run();
  return meta.changes === 1;
}

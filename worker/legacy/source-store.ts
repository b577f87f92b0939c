// SQL of registered sources. Every statement names the owner.
import { z } from 'zod';
import { ContentId } from '../../shared/api.ts';
import type { LegacyTitle } from '../../shared/legacy-api.ts';

const MAX_KEY_CHARACTERS = 1024;
const MAX_URL_CHARACTERS = 8192;

export const LegacySource = z
  .object({
    kind: z.enum(['movie', 'episode']),
    contentId: ContentId,
    bucketKey: z.string().min(1).max(MAX_KEY_CHARACTERS).optional(),
    url: z.string().min(1).max(MAX_URL_CHARACTERS).optional(),
  })
  .strict()
  .refine(({ bucketKey, url }) => (bucketKey === undefined) !== (url === undefined), {
    message: 'a source has either a bucketKey or a url',
  });
export type LegacySource = z.infer<typeof LegacySource>;

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

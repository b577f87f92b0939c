// SQL of migrations and their items. Every statement names the owner.
import type { VideoKind } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import {
  attemptTag,
  type Migration,
  type MigrationItem,
  type MigrationItemState,
  type NewMigrationItem,
} from '../../shared/migration-api.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';

type MigrationRow = { id: string; name: string; created_at: number; counts: string };

export type ItemRow = {
  key: string;
  migration_id: string;
  kind: VideoKind;
  content_id: string | null;
  source: string;
  source_etag: string | null;
  size_bytes: number | null;
  state: MigrationItemState;
  attempt: number;
  video_id: string | null;
  job_id: string | null;
  duration_seconds: number | null;
  error_code: string | null;
  error_detail: string | null;
  updated_at: number;
};

const SELECT_MIGRATIONS = `SELECT id, name, created_at,
  (SELECT json_group_object(state, n) FROM
    (SELECT state, count(*) AS n FROM migration_items WHERE migration_id = migrations.id GROUP BY state)) AS counts
  FROM migrations`;

/** @returns the one of that name, made now or before */
export async function createMigration(
  db: D1Database,
  { id, ownerId, name }: { id: string; ownerId: string; name: string },
): Promise<{ migration: Migration; isNew: boolean }> {
  await db
    .prepare(
      'INSERT INTO migrations (id, owner_id, name) VALUES (?, ?, ?) ON CONFLICT (owner_id, name) DO NOTHING',
    )
    .bind(id, ownerId, name)
    .run();
  const row = await db
    .prepare(`${SELECT_MIGRATIONS} WHERE owner_id = ? AND name = ?`)
    .bind(ownerId, name)
    .first<MigrationRow>();
  if (!row) throw new AppError('internal');
  return { migration: renderMigration(row), isNew: row.id === id };
}

/** @throws AppError `not_found` */
export async function migrationOf(db: D1Database, ownerId: string, id: string): Promise<Migration> {
  const row = await db
    .prepare(`${SELECT_MIGRATIONS} WHERE id = ? AND owner_id = ?`)
    .bind(id, ownerId)
    .first<MigrationRow>();
  if (row) return renderMigration(row);
  throw new AppError('not_found', { detail: 'There is no such migration.' });
}

/** Newest first. @param after the last one of the page before */
export async function listMigrations(
  db: D1Database,
  ownerId: string,
  after: string | undefined,
  limit: number,
): Promise<Migration[]> {
  const { results } = await db
    .prepare(
      `${SELECT_MIGRATIONS} WHERE owner_id = ?1 AND (?2 IS NULL OR (created_at, id) <
         (SELECT created_at, id FROM migrations WHERE id = ?2 AND owner_id = ?1))
       ORDER BY created_at DESC, id DESC LIMIT ?3`,
    )
    .bind(ownerId, after ?? null, limit)
    .all<MigrationRow>();
  return results.map(renderMigration);
}

/**
 * Adds the items that are new. Of those known before, one whose video is gone begins anew, and with `again` one that
 * failed or was rolled back as well; what begins anew belongs to this migration from then on, and what waits in
 * another one too.
 */
export async function registerItems(
  db: D1Database,
  owner: { ownerId: string; migrationId: string },
  items: readonly NewMigrationItem[],
  again: boolean,
): Promise<MigrationItem[]> {
  const { ownerId, migrationId } = owner;
  const keys = JSON.stringify(items.map(({ key }) => key));
  const [, , listed] = await db.batch<ItemRow>([
    db
      .prepare(
        `INSERT INTO migration_items (owner_id, key, migration_id, kind, content_id, source, source_etag, size_bytes)
         SELECT ?, value ->> '$.key', ?, value ->> '$.kind', value ->> '$.contentId', value ->> '$.source',
           value ->> '$.sourceEtag', value ->> '$.sizeBytes' FROM json_each(?) WHERE true
         ON CONFLICT (owner_id, key) DO NOTHING`,
      )
      .bind(ownerId, migrationId, JSON.stringify(items)),
    db
      .prepare(
        `UPDATE migration_items SET state = 'pending', migration_id = ?1, video_id = NULL, job_id = NULL,
           duration_seconds = NULL, error_code = NULL, error_detail = NULL, updated_at = unixepoch()
         WHERE owner_id = ?2 AND key IN (SELECT value FROM json_each(?3))
           AND ((state = 'pending' AND migration_id <> ?1) OR (?4 AND state IN ('failed', 'rolled_back'))
             OR (state = 'done' AND NOT EXISTS
                  (SELECT 1 FROM videos v WHERE v.id = migration_items.video_id AND v.state <> 'deleting')))`,
      )
      .bind(migrationId, ownerId, keys, again ? 1 : 0),
    db
      .prepare(
        `SELECT * FROM migration_items WHERE owner_id = ? AND key IN (SELECT value FROM json_each(?)) ORDER BY key`,
      )
      .bind(ownerId, keys),
  ]);
  return listed!.results.map(renderItem);
}

export async function listItems(
  db: D1Database,
  owner: { ownerId: string; migrationId: string },
  filter: { state?: MigrationItemState | undefined; after?: string | undefined; limit: number },
): Promise<MigrationItem[]> {
  const { results } = await db
    .prepare(
      `SELECT * FROM migration_items WHERE migration_id = ?1 AND owner_id = ?2 AND key > ?3
         AND (?4 IS NULL OR state = ?4) ORDER BY key LIMIT ?5`,
    )
    .bind(owner.migrationId, owner.ownerId, filter.after ?? '', filter.state ?? null, filter.limit)
    .all<ItemRow>();
  return results.map(renderItem);
}

/** @throws AppError `not_found` */
export async function itemOf(
  db: D1Database,
  owner: { ownerId: string; migrationId: string },
  key: string,
): Promise<MigrationItem> {
  const row = await db
    .prepare('SELECT * FROM migration_items WHERE owner_id = ? AND key = ? AND migration_id = ?')
    .bind(owner.ownerId, key, owner.migrationId)
    .first<ItemRow>();
  if (row) return renderItem(row);
  throw new AppError('not_found', { detail: 'There is no such item in this migration.' });
}

/** What an attempt has made, where the answer that told it was lost. */
export async function madeBy(
  db: D1Database,
  ownerId: string,
  key: string,
  attempt: number,
): Promise<{ videoId: string; jobId: string } | undefined> {
  const row = await db
    .prepare(
      `SELECT v.id AS videoId, j.id AS jobId FROM videos v JOIN jobs j ON j.video_id = v.id
       WHERE v.owner_id = ?1 AND v.state <> 'deleting'
         AND EXISTS (SELECT 1 FROM json_each(v.tags) WHERE value = ?2) ORDER BY j.seq DESC LIMIT 1`,
    )
    .bind(ownerId, attemptTag(key, attempt))
    .first<{ videoId: string; jobId: string }>();
  return row ?? undefined;
}

/** Videos of items that wait, made by migrators that died before they could tell. */
export async function strayVideos(
  db: D1Database,
  { ownerId, migrationId }: { ownerId: string; migrationId: string },
  limit: number,
): Promise<{ key: string; videoId: string }[]> {
  const { results } = await db
    .prepare(
      `SELECT i.key, v.id AS videoId FROM videos v, json_each(v.tags) t, migration_items i
       WHERE v.owner_id = ?1 AND v.state <> 'deleting' AND t.value GLOB 'migration:*'
         AND v.created_at >= (SELECT created_at FROM migrations WHERE id = ?2)
         AND i.owner_id = ?1 AND i.key = substr(t.value, 11, 32) AND i.migration_id = ?2 AND i.state = 'pending'
       LIMIT ?3`,
    )
    .bind(ownerId, migrationId, limit)
    .all<{ key: string; videoId: string }>();
  return results;
}

function renderMigration({ id, name, created_at, counts }: MigrationRow): Migration {
  const items = { pending: 0, converting: 0, done: 0, failed: 0, rolled_back: 0, ...JSON.parse(counts) };
  return { id, name, items, createdAt: rfc3339(created_at) };
}

function renderItem(row: ItemRow): MigrationItem {
  return {
    key: row.key,
    migrationId: row.migration_id,
    kind: row.kind,
    ...(row.content_id !== null && { contentId: row.content_id }),
    source: row.source,
    ...(row.source_etag !== null && { sourceEtag: row.source_etag }),
    ...(row.size_bytes !== null && { sizeBytes: row.size_bytes }),
    state: row.state,
    attempt: row.attempt,
    ...(row.video_id !== null && { videoId: row.video_id }),
    ...(row.job_id !== null && { jobId: row.job_id }),
    ...(row.duration_seconds !== null && { durationSeconds: row.duration_seconds }),
    ...(row.error_code !== null && { error: { code: row.error_code, detail: row.error_detail ?? '' } }),
    updatedAt: rfc3339(row.updated_at),
  };
}

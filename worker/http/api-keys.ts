// API keys for servers: `rk_{id}_{secret}`. The table holds a hash of the secret, so a copy of the database
// opens nothing.
import type { Role } from '../../shared/api.ts';
import type { ApiKeyInfo } from '../../shared/api-keys.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import { fromBase64Url, toBase64Url, toHex } from '../../shared/sign.ts';

type ApiKeyRow = {
  id: string;
  owner_id: string;
  name: string;
  role: Role;
  secret_hash: string;
  created_at: number;
  revoked_at: number | null;
};

const SECRET_BYTES = 32;

/** A UUID as it stands in a key. */
export function apiKeyId(uuid: string): string {
  return uuid.replaceAll('-', '');
}

export async function insertApiKey(
  db: D1Database,
  key: { id: string; ownerId: string; name: string; role: Role },
): Promise<ApiKeyInfo & { key: string }> {
  const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  const row = await db
    .prepare(
      'INSERT INTO api_keys (id, owner_id, name, role, secret_hash) VALUES (?, ?, ?, ?, ?) RETURNING *',
    )
    .bind(key.id, key.ownerId, key.name, key.role, await hashOf(secret))
    .first<ApiKeyRow>();
  return { ...render(row!), key: `rk_${key.id}_${toBase64Url(secret)}` };
}

export async function listApiKeys(db: D1Database, ownerId: string): Promise<ApiKeyInfo[]> {
  const { results } = await db
    .prepare('SELECT * FROM api_keys WHERE owner_id = ? AND revoked_at IS NULL ORDER BY created_at DESC, id')
    .bind(ownerId)
    .all<ApiKeyRow>();
  return results.map(render);
}

export async function findApiKey(
  db: D1Database,
  ownerId: string,
  id: string,
): Promise<ApiKeyInfo | undefined> {
  const row = await db
    .prepare('SELECT * FROM api_keys WHERE id = ? AND owner_id = ? AND revoked_at IS NULL')
    .bind(id, ownerId)
    .first<ApiKeyRow>();
  return row ? render(row) : undefined;
}

/** False when there is no such live key of this owner. */
export async function revokeApiKey(db: D1Database, ownerId: string, id: string): Promise<boolean> {
  const { meta } = await db
    .prepare(
      'UPDATE api_keys SET revoked_at = unixepoch() WHERE id = ? AND owner_id = ? AND revoked_at IS NULL',
    )
    .bind(id, ownerId)
    .run();
  return meta.changes === 1;
}

/** Whose key it is; undefined for a malformed, unknown, revoked or wrong one alike. */
export async function ownerOfApiKey(
  db: D1Database,
  key: string,
): Promise<{ ownerId: string; role: Role } | undefined> {
  const [, id, encoded] = /^rk_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/.exec(key) ?? [];
  const secret = encoded === undefined ? undefined : fromBase64Url(encoded);
  if (!id || !secret) return undefined;
  const row = await db
    .prepare('SELECT * FROM api_keys WHERE id = ? AND revoked_at IS NULL')
    .bind(id)
    .first<ApiKeyRow>();
  if (!row) return undefined;
  const encoder = new TextEncoder();
  const isSame = crypto.subtle.timingSafeEqual(
    encoder.encode(row.secret_hash),
    encoder.encode(await hashOf(secret)),
  );
  return isSame ? { ownerId: row.owner_id, role: row.role } : undefined;
}

async function hashOf(secret: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(await crypto.subtle.digest('SHA-256', secret));
}

function render(row: ApiKeyRow): ApiKeyInfo {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    createdAt: rfc3339(row.created_at),
  };
}

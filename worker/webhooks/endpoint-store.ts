// SQL of endpoints. Every statement of a client names the owner.
import { AppError } from '../../shared/errors.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import type { Webhook, WebhookEventType, WebhookPatch, WebhookStatus } from '../../shared/webhook-api.ts';
import { isLive, StoredSecrets } from './secrets.ts';

const MAX_ENDPOINTS = 20;

export type EndpointRow = {
  id: string;
  owner_id: string;
  url: string;
  description: string | null;
  events: string;
  secrets: string;
  status: WebhookStatus;
  disabled_reason: string | null;
  created_at: number;
};

export type NewEndpoint = {
  id: string;
  ownerId: string;
  url: string;
  description: string | undefined;
  events: WebhookEventType[];
  secrets: StoredSecrets;
};

/** @throws AppError `webhook_limit_reached` */
export async function insertEndpoint(db: D1Database, endpoint: NewEndpoint): Promise<EndpointRow> {
  const { id, ownerId, url, description, events, secrets } = endpoint;
  const row = await db
    .prepare(
      `INSERT INTO webhook_endpoints (id, owner_id, url, description, events, secrets)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6
       WHERE (SELECT count(*) FROM webhook_endpoints WHERE owner_id = ?2) < ${MAX_ENDPOINTS} RETURNING *`,
    )
    .bind(id, ownerId, url, description ?? null, JSON.stringify(events), JSON.stringify(secrets))
    .first<EndpointRow>();
  if (row) return row;
  throw new AppError('webhook_limit_reached', {
    detail: `An owner has ${MAX_ENDPOINTS} webhook endpoints at most; delete one.`,
  });
}

export async function listEndpoints(db: D1Database, ownerId: string): Promise<EndpointRow[]> {
  const { results } = await db
    .prepare('SELECT * FROM webhook_endpoints WHERE owner_id = ? ORDER BY created_at DESC, id')
    .bind(ownerId)
    .all<EndpointRow>();
  return results;
}

/** @throws AppError `not_found` */
export async function ownEndpoint(db: D1Database, ownerId: string, id: string): Promise<EndpointRow> {
  const row = await endpointById(db, id);
  if (row?.owner_id !== ownerId) throw noSuchWebhook();
  return row;
}

export async function endpointById(db: D1Database, id: string): Promise<EndpointRow | undefined> {
  const row = await db.prepare('SELECT * FROM webhook_endpoints WHERE id = ?').bind(id).first<EndpointRow>();
  return row ?? undefined;
}

/** What is left out stays. @throws AppError `not_found` */
export async function updateEndpoint(
  db: D1Database,
  ownerId: string,
  id: string,
  patch: WebhookPatch,
): Promise<EndpointRow> {
  const { url, description, events, status } = patch;
  const reason = status === 'disabled' ? 'It was disabled by its owner.' : null;
  const [updated] = await db.batch<EndpointRow>([
    db
      .prepare(
        `UPDATE webhook_endpoints SET url = coalesce(?1, url), description = coalesce(?2, description),
           events = coalesce(?3, events), status = coalesce(?4, status),
           disabled_reason = CASE WHEN ?4 IS NULL OR ?4 = status THEN disabled_reason ELSE ?5 END
         WHERE id = ?6 AND owner_id = ?7 RETURNING *`,
      )
      .bind(
        ...[url ?? null, description ?? null, events ? JSON.stringify(events) : null],
        ...[status ?? null, reason, id, ownerId],
      ),
    stopDeliveriesStatement(db, id),
  ]);
  const row = updated?.results[0];
  if (!row) throw noSuchWebhook();
  return row;
}

/** The receiver has said that nobody is there any more. Another URL since then is not meant. */
export async function disableGone(db: D1Database, id: string, url: string): Promise<void> {
  await db.batch([
    db
      .prepare(
        `UPDATE webhook_endpoints SET status = 'disabled', disabled_reason = 'The receiver answered 410 Gone.'
         WHERE id = ? AND url = ? AND status = 'enabled'`,
      )
      .bind(id, url),
    stopDeliveriesStatement(db, id),
  ]);
}

/** What waits for a disabled endpoint is given up; it can be sent again by hand. */
function stopDeliveriesStatement(db: D1Database, endpointId: string): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE webhook_deliveries SET state = 'disabled'
       WHERE endpoint_id = ?1 AND state IN ('pending', 'sending')
         AND EXISTS (SELECT 1 FROM webhook_endpoints WHERE id = ?1 AND status = 'disabled')`,
    )
    .bind(endpointId);
}

/** False where another rotation was quicker. */
export async function replaceSecrets(
  db: D1Database,
  endpoint: EndpointRow,
  secrets: StoredSecrets,
): Promise<boolean> {
  const { meta } = await db
    .prepare('UPDATE webhook_endpoints SET secrets = ? WHERE id = ? AND secrets = ?')
    .bind(JSON.stringify(secrets), endpoint.id, endpoint.secrets)
    .run();
  return meta.changes === 1;
}

/** With all that waits for it. @throws AppError `not_found` */
export async function deleteEndpoint(db: D1Database, ownerId: string, id: string): Promise<void> {
  const [, deleted] = await db.batch([
    db
      .prepare(
        `DELETE FROM webhook_deliveries WHERE endpoint_id =
           (SELECT id FROM webhook_endpoints WHERE id = ? AND owner_id = ?)`,
      )
      .bind(id, ownerId),
    db.prepare('DELETE FROM webhook_endpoints WHERE id = ? AND owner_id = ?').bind(id, ownerId),
  ]);
  if (deleted?.meta.changes !== 1) throw noSuchWebhook();
}

export function secretsOf(row: Pick<EndpointRow, 'secrets'>): StoredSecrets {
  return StoredSecrets.parse(JSON.parse(row.secrets));
}

export function renderWebhook(row: EndpointRow): Webhook {
  const nowSeconds = Date.now() / 1000;
  const untils = secretsOf(row).flatMap((secret) =>
    secret.until !== undefined && isLive(secret, nowSeconds) ? [secret.until] : [],
  );
  return {
    id: row.id,
    url: row.url,
    ...(row.description && { description: row.description }),
    events: JSON.parse(row.events) as WebhookEventType[],
    status: row.status,
    ...(row.disabled_reason !== null && { disabledReason: row.disabled_reason }),
    ...(untils.length > 0 && { oldSecretUntil: rfc3339(Math.max(...untils)) }),
    createdAt: rfc3339(row.created_at),
  };
}

export function noSuchWebhook(): AppError {
  return new AppError('not_found', { detail: 'There is no such webhook.' });
}

// SQL of deliveries: pending -> sending -> delivered | pending | exhausted | disabled. An attempt holds a lease by its
// epoch; one whose lease has lapsed is due again, and whatever it still has to tell counts only if it was delivered.
import { DAY_SECONDS } from '../../shared/limits.ts';
import type { RowPlace } from '../../shared/page-cursor.ts';
import type { DeliveryAttempt, DeliveryState } from '../../shared/webhook-api.ts';

/** Longer than an attempt may take, with what is written before and after it. */
const LEASE_SECONDS = 60;
/** Attempts one endpoint has in flight, over all Workers: a receiver that hangs does not hold the others up. */
const MAX_IN_FLIGHT = 2;
const ATTEMPTS_SHOWN = 20;
const KEPT_SECONDS = 30 * DAY_SECONDS;
const PRUNED_PER_RUN = 1000;

export type DeliveryRow = {
  id: string;
  endpoint_id: string;
  event_id: string;
  type: string;
  payload: string;
  state: DeliveryState;
  next_at: number;
  epoch: number;
  tries: number;
  attempts: string;
  created_at: number;
};

const OPEN = `state IN ('pending', 'sending')`;
const TAKE = `UPDATE webhook_deliveries
  SET state = 'sending', epoch = epoch + 1, next_at = unixepoch() + ${LEASE_SECONDS}`;

/** Takes a delivery that is due, of any endpoint that has room for one more. */
export async function claimDue(db: D1Database): Promise<DeliveryRow | undefined> {
  // The recursion hops from endpoint to endpoint in the index, however many deliveries each of them has waiting.
  const row = await db
    .prepare(
      `WITH RECURSIVE busy (id) AS (
         SELECT min(endpoint_id) FROM webhook_deliveries WHERE ${OPEN}
         UNION ALL
         SELECT (SELECT min(endpoint_id) FROM webhook_deliveries WHERE ${OPEN} AND endpoint_id > busy.id)
         FROM busy WHERE busy.id IS NOT NULL),
       first (delivery_id) AS (
         SELECT (SELECT d.id FROM webhook_deliveries d
                 WHERE d.endpoint_id = busy.id AND d.${OPEN} AND d.next_at <= unixepoch() ORDER BY d.next_at LIMIT 1)
         FROM busy WHERE busy.id IS NOT NULL
           AND (SELECT count(*) FROM webhook_deliveries f
                WHERE f.endpoint_id = busy.id AND f.state = 'sending' AND f.next_at > unixepoch()) < ${MAX_IN_FLIGHT})
       ${TAKE}
       WHERE id = (SELECT delivery_id FROM first WHERE delivery_id IS NOT NULL ORDER BY random() LIMIT 1)
       RETURNING *`,
    )
    .first<DeliveryRow>();
  return row ?? undefined;
}

/** Takes this very delivery, unless somebody is at it. */
export async function claimOne(db: D1Database, id: string): Promise<DeliveryRow | undefined> {
  const row = await db
    .prepare(`${TAKE} WHERE id = ? AND state = 'pending' RETURNING *`)
    .bind(id)
    .first<DeliveryRow>();
  return row ?? undefined;
}

export type Verdict =
  | { state: 'delivered' | 'exhausted' | 'disabled' }
  | { state: 'pending'; delaySeconds: number };

/** False where the lease was lost: somebody else's attempt counts. */
export async function recordAttempt(
  db: D1Database,
  row: DeliveryRow,
  attempt: DeliveryAttempt,
  verdict: Verdict,
): Promise<boolean> {
  const attempts = [...attemptsOf(row), attempt].slice(-ATTEMPTS_SHOWN);
  const delaySeconds = verdict.state === 'pending' ? verdict.delaySeconds : 0;
  const { meta } = await db
    .prepare(
      // What has arrived has arrived, whatever became of the lease or the endpoint in the meantime.
      `UPDATE webhook_deliveries SET state = ?1, next_at = unixepoch() + ?2, tries = tries + 1, attempts = ?3
       WHERE id = ?4 AND epoch = ?5 AND (state = 'sending' OR ?1 = 'delivered')`,
    )
    .bind(verdict.state, delaySeconds, JSON.stringify(attempts), row.id, row.epoch)
    .run();
  return meta.changes === 1;
}

/** A delivery whose event is made for one endpoint alone. */
export async function insertPing(
  db: D1Database,
  ping: { id: string; endpointId: string; eventId: string; type: string },
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO webhook_deliveries (id, endpoint_id, event_id, type, payload)
       VALUES (?1, ?2, ?3, ?4, json_object('type', ?4,
         'timestamp', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 'data', json_object('webhookId', ?2)))
       ON CONFLICT DO NOTHING`,
    )
    .bind(ping.id, ping.endpointId, ping.eventId, ping.type)
    .run();
}

export async function deliveryOf(
  db: D1Database,
  endpointId: string,
  id: string,
): Promise<DeliveryRow | undefined> {
  const row = await db
    .prepare('SELECT * FROM webhook_deliveries WHERE id = ? AND endpoint_id = ?')
    .bind(id, endpointId)
    .first<DeliveryRow>();
  return row ?? undefined;
}

/** Newest first. */
export async function listDeliveries(
  db: D1Database,
  endpointId: string,
  filter: {
    state?: DeliveryState | undefined;
    after?: RowPlace | undefined;
    limit: number;
  },
): Promise<DeliveryRow[]> {
  const { state, after, limit } = filter;
  const { results } = await db
    .prepare(
      `SELECT * FROM webhook_deliveries
       WHERE endpoint_id = ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR (created_at, id) < (?3, ?4))
       ORDER BY created_at DESC, id DESC LIMIT ?5`,
    )
    .bind(endpointId, state ?? null, after?.createdAt ?? null, after?.id ?? null, limit)
    .all<DeliveryRow>();
  return results;
}

/** The schedule from its beginning, at once. An attempt that is under way is left to its end. */
export async function resendDelivery(db: D1Database, id: string): Promise<void> {
  await db
    .prepare(
      `UPDATE webhook_deliveries SET state = 'pending', next_at = unixepoch(), tries = 0
       WHERE id = ? AND state <> 'sending'`,
    )
    .bind(id)
    .run();
}

/** The cron's part. */
export async function pruneDeliveries(db: D1Database): Promise<void> {
  await db
    .prepare(
      `DELETE FROM webhook_deliveries WHERE id IN
         (SELECT id FROM webhook_deliveries WHERE created_at <= unixepoch() - ${KEPT_SECONDS}
          ORDER BY created_at LIMIT ${PRUNED_PER_RUN})`,
    )
    .run();
}

export function attemptsOf(row: Pick<DeliveryRow, 'attempts'>): DeliveryAttempt[] {
  return JSON.parse(row.attempts) as DeliveryAttempt[];
}

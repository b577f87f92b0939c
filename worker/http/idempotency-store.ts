// SQL of idempotency keys. Which of many equal requests does the work is one INSERT that the others lose.
import { DAY_SECONDS } from '../../shared/limits.ts';

const KEPT_SECONDS = DAY_SECONDS;
/** Far longer than any POST takes: whoever is silent for this long has died. */
export const KEY_LEASE_SECONDS = 60;
const PRUNED_PER_RUN = 5000;

export type KeyClaim = {
  scope: string;
  key: string;
  requestHash: string;
  resourceId: string;
  holder: string;
};

export type KeyRow = {
  requestHash: string;
  /** Of the first request with this key, whoever holds it now. */
  resourceId: string;
  status: number | null;
  holder: string;
};

/**
 * Takes the key for this request where it is free, and over where the same request has died with it.
 *
 * @returns the key's row, which names its holder.
 */
export async function claimKey(db: D1Database, claim: KeyClaim): Promise<KeyRow> {
  const { scope, key, requestHash, resourceId, holder } = claim;
  const results = await db.batch<KeyRow>([
    db
      .prepare(
        `DELETE FROM idempotency_keys WHERE scope = ? AND key = ? AND created_at <= unixepoch() - ${KEPT_SECONDS}`,
      )
      .bind(scope, key),
    db
      .prepare(
        `INSERT INTO idempotency_keys (scope, key, request_hash, resource_id, holder, lease_until)
         VALUES (?, ?, ?, ?, ?, unixepoch() + ${KEY_LEASE_SECONDS}) ON CONFLICT (scope, key) DO NOTHING`,
      )
      .bind(scope, key, requestHash, resourceId, holder),
    db
      .prepare(
        `UPDATE idempotency_keys SET holder = ?, lease_until = unixepoch() + ${KEY_LEASE_SECONDS}
         WHERE scope = ? AND key = ? AND request_hash = ? AND status IS NULL AND lease_until <= unixepoch()`,
      )
      .bind(holder, scope, key, requestHash),
    db
      .prepare(
        `SELECT request_hash AS requestHash, resource_id AS resourceId, status, holder
         FROM idempotency_keys WHERE scope = ? AND key = ?`,
      )
      .bind(scope, key),
  ]);
  return results.at(-1)!.results[0]!;
}

/** From now on the key stands for what the request has made. */
export async function keepKey(db: D1Database, claim: KeyClaim, status: number): Promise<void> {
  await db
    .prepare('UPDATE idempotency_keys SET status = ? WHERE scope = ? AND key = ? AND holder = ?')
    .bind(status, claim.scope, claim.key, claim.holder)
    .run();
}

/** Lets the same request try again at once. It finds what this one may have made after all. */
export async function yieldKey(db: D1Database, claim: KeyClaim): Promise<void> {
  await db
    .prepare('UPDATE idempotency_keys SET lease_until = 0 WHERE scope = ? AND key = ? AND holder = ?')
    .bind(claim.scope, claim.key, claim.holder)
    .run();
}

/** Forgets a request that has made nothing. */
export async function freeKey(db: D1Database, claim: KeyClaim): Promise<void> {
  await db
    .prepare('DELETE FROM idempotency_keys WHERE scope = ? AND key = ? AND holder = ? AND status IS NULL')
    .bind(claim.scope, claim.key, claim.holder)
    .run();
}

/** The cron's part. */
export async function pruneKeys(db: D1Database): Promise<void> {
  await db
    .prepare(
      `DELETE FROM idempotency_keys WHERE (scope, key) IN
         (SELECT scope, key FROM idempotency_keys WHERE created_at <= unixepoch() - ${KEPT_SECONDS}
          ORDER BY created_at LIMIT ${PRUNED_PER_RUN})`,
    )
    .run();
}

// SQL of content keys. Rows hold them wrapped, and no statement ever carries one in the clear.
import type { KeyEncryptionKeys } from '../../shared/key-encryption-keys.ts';
import type { ContentKey, Protection } from '../../shared/protection.ts';
import { toHex } from '../../shared/sign.ts';
import { type KeyPlace, unwrapKey, type WrappedKey, wrapKey } from './kek.ts';

export type Scheme = Exclude<Protection, 'none'>;
export type KeyRow = KeyPlace & WrappedKey;

const COLUMNS = 'job_id AS jobId, n, scheme, key_id AS keyId, kek_id AS kekId, wrapped';
const CONTENT_KEY_BYTES = 16;

/** Keys of a job by their numbers. The first to ask for one makes it; everybody gets that one. */
export async function issueKeys(
  db: D1Database,
  keks: KeyEncryptionKeys,
  job: { jobId: string; scheme: Scheme },
  numbers: readonly number[],
): Promise<(ContentKey & { n: number })[]> {
  const known = new Set((await keyRows(db, job.jobId, { numbers })).map(({ n }) => n));
  const missing = numbers.filter((n) => !known.has(n));
  if (missing.length > 0) {
    const made = await Promise.all(missing.map((n) => newRow(keks, { ...job, n })));
    // For a job that is still there: a deleted one must leave no keys behind.
    await db
      .prepare(
        `INSERT INTO content_keys (job_id, n, scheme, key_id, kek_id, wrapped)
         SELECT j.id, value ->> 'n', value ->> 'scheme', value ->> 'keyId', value ->> 'kekId', value ->> 'wrapped'
         FROM json_each(?2) JOIN jobs j ON j.id = ?1
         ON CONFLICT (job_id, n) DO NOTHING`,
      )
      .bind(job.jobId, JSON.stringify(made))
      .run();
  }
  return await unwrapped(keks, await keyRows(db, job.jobId, { numbers }));
}

/** Those of a job's keys that have one of these numbers, or one of these ids. */
export async function keyRows(
  db: D1Database,
  jobId: string,
  wanted: { numbers: readonly number[] } | { keyIds: readonly string[] },
): Promise<KeyRow[]> {
  const [column, values] = 'numbers' in wanted ? ['n', wanted.numbers] : ['key_id', wanted.keyIds];
  const { results } = await db
    .prepare(
      `SELECT ${COLUMNS} FROM content_keys
       WHERE job_id = ? AND ${column} IN (SELECT value FROM json_each(?)) ORDER BY n`,
    )
    .bind(jobId, JSON.stringify(values))
    .all<KeyRow>();
  return results;
}

export function unwrapped(
  keks: KeyEncryptionKeys,
  rows: readonly KeyRow[],
): Promise<(ContentKey & { n: number })[]> {
  return Promise.all(
    rows.map(async (row) => ({ n: row.n, keyId: row.keyId, key: await unwrapKey(keks, row, row) })),
  );
}

/** How the output of a job is protected; undefined where nothing of it is. */
export async function schemeOf(db: D1Database, jobId: string): Promise<Scheme | undefined> {
  const row = await db
    .prepare('SELECT scheme FROM content_keys WHERE job_id = ? LIMIT 1')
    .bind(jobId)
    .first<{ scheme: Scheme }>();
  return row?.scheme;
}

const ROWS_PER_RUN = 100;

/** The sweeper's part of a rotation: wraps anew what an older key has wrapped. @returns rows moved */
export async function rewrapKeys(db: D1Database, keks: KeyEncryptionKeys): Promise<number> {
  const current = keks[0];
  if (!current || keks.length < 2) return 0;
  const { results } = await db
    .prepare(
      `SELECT ${COLUMNS} FROM content_keys
       WHERE kek_id IN (SELECT value FROM json_each(?)) LIMIT ${ROWS_PER_RUN}`,
    )
    .bind(JSON.stringify(keks.slice(1).map(({ kid }) => kid)))
    .all<KeyRow>();
  const moved = await Promise.all(
    results.map(async (row) => {
      const again = await wrapKey(keks, await unwrapKey(keks, row, row), row);
      return db
        .prepare('UPDATE content_keys SET kek_id = ?, wrapped = ? WHERE job_id = ? AND n = ? AND wrapped = ?')
        .bind(again.kekId, again.wrapped, row.jobId, row.n, row.wrapped);
    }),
  );
  if (moved.length > 0) await db.batch(moved);
  return moved.length;
}

async function newRow(keks: KeyEncryptionKeys, job: Omit<KeyPlace, 'keyId'>): Promise<KeyRow> {
  const place = { ...job, keyId: toHex(crypto.getRandomValues(new Uint8Array(CONTENT_KEY_BYTES))) };
  const key = crypto.getRandomValues(new Uint8Array(CONTENT_KEY_BYTES));
  return { ...place, ...(await wrapKey(keks, key, place)) };
}

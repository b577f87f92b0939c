// One writer per part. Whoever claims it first stores it; the others are told to come back. A claim lives for as
// long as its body moves, so that the part of a client that is gone can soon be sent again.
import { AppError } from '../../shared/errors.ts';
import { SECOND_MS } from '../../shared/limits.ts';
import { type PartRow, recordParts, requireOpen, type UploadRow, uploadOf } from './store.ts';

const LEASE_SECONDS = 10;
const RENEW_MS = 3 * SECOND_MS;
const RETRY_AFTER_SECONDS = 1;

/**
 * Runs `work` as the only writer of a part.
 *
 * @throws AppError `upload_part_in_progress`, or why the upload takes no bytes any more
 */
export async function asOnlyWriter<T>(
  db: D1Database,
  upload: UploadRow,
  number: number,
  work: (claim: PartClaim) => Promise<T>,
): Promise<T> {
  const claim = new PartClaim(db, upload, number);
  await claim.take();
  const timer = setInterval(() => claim.keepAlive(), RENEW_MS);
  try {
    return await work(claim);
  } finally {
    clearInterval(timer);
    await claim.release();
  }
}

export function partInProgress(): AppError {
  return new AppError('upload_part_in_progress', { retryAfterSeconds: RETRY_AFTER_SECONDS });
}

export async function pruneClaims(db: D1Database): Promise<void> {
  await db.prepare('DELETE FROM part_claims WHERE lease_until <= unixepoch()').run();
}

export class PartClaim {
  /** The part as the ledger knew it when it was claimed. */
  held: PartRow | undefined;

  readonly #db: D1Database;
  readonly #upload: UploadRow;
  readonly #number: number;
  readonly #holder = crypto.randomUUID();
  #renewedAtMs = 0;
  #waitingSinceMs: number | undefined;
  #isOver = false;

  constructor(db: D1Database, upload: UploadRow, number: number) {
    this.#db = db;
    this.#upload = upload;
    this.#number = number;
  }

  async take(): Promise<void> {
    const { id, owner_id } = this.#upload;
    this.#renewedAtMs = Date.now();
    const [taken, part] = await this.#db.batch<PartRow>([
      this.#db
        .prepare(
          `INSERT INTO part_claims (upload_id, number, holder, lease_until)
           SELECT id, ?, ?, unixepoch() + ${LEASE_SECONDS} FROM uploads
           WHERE id = ? AND owner_id = ? AND state IN ('created', 'receiving') AND expires_at > unixepoch()
           ON CONFLICT (upload_id, number) DO UPDATE
             SET holder = excluded.holder, lease_until = excluded.lease_until WHERE lease_until <= unixepoch()`,
        )
        .bind(this.#number, this.#holder, id, owner_id),
      this.#db
        .prepare(
          'SELECT number, size_bytes, etag, checksum FROM upload_parts WHERE upload_id = ? AND number = ?',
        )
        .bind(id, this.#number),
    ]);
    if (taken!.meta.changes === 0) await this.refuseLost();
    this.held = part!.results[0];
  }

  /** The lease lapses while the client is silent, not while storage is slow. */
  waitsForClient(isWaiting: boolean): void {
    this.#waitingSinceMs = isWaiting ? Date.now() : undefined;
  }

  keepAlive(): void {
    const isSilent = this.#waitingSinceMs !== undefined && Date.now() - this.#waitingSinceMs >= RENEW_MS;
    // A renewal that fails is made up for by the next one, or the claim lapses.
    if (!isSilent) this.#renew().catch(() => undefined);
  }

  /** To be asked before the last byte goes to storage: afterwards nobody could take it back. */
  async requireHeld(): Promise<void> {
    // Half a lease is more than any clock here is wrong by.
    const isFresh = Date.now() - this.#renewedAtMs < (LEASE_SECONDS * SECOND_MS) / 2;
    if (!isFresh && !(await this.#renew())) await this.refuseLost();
  }

  /** Remembers the part and ends the claim, in one. @returns false when the claim or the upload was lost */
  async record(part: PartRow): Promise<boolean> {
    const params = [this.#upload.id, this.#number, this.#holder];
    const isRecorded = await recordParts(this.#db, this.#upload, [part], {
      guard: {
        sql: 'EXISTS (SELECT 1 FROM part_claims WHERE upload_id = ? AND number = ? AND holder = ?)',
        params,
      },
      also: [this.#releasing()],
    });
    this.#isOver = true;
    return isRecorded;
  }

  /** @throws AppError why the claim is gone: the upload has ended, or another request writes. */
  async refuseLost(): Promise<never> {
    requireOpen(await uploadOf(this.#db, this.#upload.id, this.#upload.owner_id));
    throw partInProgress();
  }

  async release(): Promise<void> {
    if (!this.#isOver) await this.#releasing().run();
    this.#isOver = true;
  }

  #releasing(): D1PreparedStatement {
    return this.#db
      .prepare('DELETE FROM part_claims WHERE upload_id = ? AND number = ? AND holder = ?')
      .bind(this.#upload.id, this.#number, this.#holder);
  }

  async #renew(): Promise<boolean> {
    const { id } = this.#upload;
    const askedAtMs = Date.now();
    const { meta } = await this.#db
      .prepare(
        `UPDATE part_claims SET lease_until = unixepoch() + ${LEASE_SECONDS}
         WHERE upload_id = ? AND number = ? AND holder = ?
           AND EXISTS (SELECT 1 FROM uploads WHERE id = ? AND state IN ('created', 'receiving'))`,
      )
      .bind(id, this.#number, this.#holder, id)
      .run();
    if (meta.changes === 1) this.#renewedAtMs = askedAtMs;
    return meta.changes === 1;
  }
}

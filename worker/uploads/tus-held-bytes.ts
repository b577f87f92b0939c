// The bytes an upload holds and the only account of them: whole parts in R2, and whatever has not become a part
// yet as rows of this object's own SQLite. The offset is read off what is there, so it cannot promise more.
import { MIB } from '../../shared/limits.ts';
import type { PartRow } from './store.ts';

/** https://developers.cloudflare.com/durable-objects/platform/limits/ : a row or BLOB has 2 MB at most. */
export const ROW_BYTES = MIB;

export type NextPart = { number: number; start: number; sizeBytes: number };

const STAGED_FROM = 'stagedFrom';

export class HeldBytes {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    storage.sql.exec(
      `CREATE TABLE IF NOT EXISTS parts (
         number INTEGER PRIMARY KEY, size_bytes INTEGER NOT NULL, etag TEXT NOT NULL,
         end_offset INTEGER NOT NULL, is_reported INTEGER NOT NULL DEFAULT 0)`,
    );
    storage.sql.exec('CREATE INDEX IF NOT EXISTS unreported ON parts (number) WHERE is_reported = 0');
    storage.sql.exec('CREATE TABLE IF NOT EXISTS tail (start INTEGER PRIMARY KEY, bytes BLOB NOT NULL)');
  }

  /** How many bytes from the start are held; staged ones do not count. */
  get offset(): number {
    return this.#storage.kv.get<number>(STAGED_FROM) ?? this.#end();
  }

  /** Appends bytes where the last ones, staged or not, end. */
  add(bytes: Uint8Array): void {
    this.#storage.sql.exec('INSERT INTO tail (start, bytes) VALUES (?, ?)', this.#end(), bytes);
  }

  /** Bytes added from now on count once they are kept, and vanish when the object dies before. */
  stage(): void {
    this.#storage.kv.put(STAGED_FROM, this.#end());
  }

  keepStaged(): void {
    this.#storage.kv.delete(STAGED_FROM);
  }

  dropStaged(): void {
    const from = this.#storage.kv.get<number>(STAGED_FROM);
    if (from === undefined) return;
    this.#storage.transactionSync(() => {
      this.#storage.sql.exec('DELETE FROM tail WHERE start >= ?', from);
      this.#storage.kv.delete(STAGED_FROM);
    });
  }

  get hasParts(): boolean {
    return this.#lastPart() !== undefined;
  }

  /** The part whose bytes are all here and not yet in R2. The last part of all may be short. */
  nextPart(partBytes: number, lengthBytes: number | null): NextPart | undefined {
    const last = this.#lastPart();
    const start = last?.end_offset ?? 0;
    const left = lengthBytes === null ? Number.POSITIVE_INFINITY : lengthBytes - start;
    const sizeBytes = Math.min(partBytes, left);
    if (sizeBytes <= 0 || this.offset - start < sizeBytes) return undefined;
    return { number: (last?.number ?? 0) + 1, start, sizeBytes };
  }

  /** Some bytes from `position` on, up to `end`: one row's worth. */
  read(position: number, end: number): Uint8Array {
    const [row] = this.#storage.sql
      .exec<{ start: number; bytes: ArrayBuffer }>(
        'SELECT start, bytes FROM tail WHERE start <= ? ORDER BY start DESC LIMIT 1',
        position,
      )
      .toArray();
    const from = row ? position - row.start : 0;
    if (!row || from >= row.bytes.byteLength) throw new Error(`no bytes are held at ${position}`);
    return new Uint8Array(row.bytes, from, Math.min(row.bytes.byteLength - from, end - position));
  }

  /** R2 has the part: its rows may go. */
  partStored({ number, start, sizeBytes }: NextPart, etag: string): void {
    const end = start + sizeBytes;
    this.#storage.transactionSync(() => {
      this.#storage.sql.exec(
        'INSERT INTO parts (number, size_bytes, etag, end_offset) VALUES (?, ?, ?, ?)',
        ...[number, sizeBytes, etag, end],
      );
      // A row may reach into the next part; it stays for that one.
      this.#storage.sql.exec('DELETE FROM tail WHERE start < ? AND start + length(bytes) <= ?', end, end);
    });
  }

  /** Parts that the ledger has not heard of, in order. */
  unreportedParts(limit: number): PartRow[] {
    return this.#storage.sql
      .exec<PartRow>(
        'SELECT number, size_bytes, etag FROM parts WHERE is_reported = 0 ORDER BY number LIMIT ?',
        limit,
      )
      .toArray();
  }

  partsReported(parts: PartRow[]): void {
    const [first, last] = [parts.at(0), parts.at(-1)];
    if (!first || !last) return;
    this.#storage.sql.exec(
      'UPDATE parts SET is_reported = 1 WHERE number BETWEEN ? AND ?',
      first.number,
      last.number,
    );
  }

  #end(): number {
    const [row] = this.#storage.sql
      .exec<{ end: number }>('SELECT start + length(bytes) AS end FROM tail ORDER BY start DESC LIMIT 1')
      .toArray();
    return row?.end ?? this.#lastPart()?.end_offset ?? 0;
  }

  #lastPart(): { number: number; end_offset: number } | undefined {
    return this.#storage.sql
      .exec<{ number: number; end_offset: number }>(
        'SELECT number, end_offset FROM parts ORDER BY number DESC LIMIT 1',
      )
      .toArray()[0];
  }
}

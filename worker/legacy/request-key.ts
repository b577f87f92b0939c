// Idempotency-Key of a form. Its bytes differ from time to time, by their boundary alone, so the key stands for what
// the form says; and it is asked for when that is known, not before the body is read.
import type { Context } from 'hono';
import { toHex } from '../../shared/sign.ts';
import type { AppEnv } from '../http/context.ts';
import { type Claimed, idempotencyKeyOf, settle, takeKey } from '../http/idempotency.ts';
import { freeKey } from '../http/idempotency-store.ts';

export class RequestKey {
  readonly #c: Context<AppEnv>;
  readonly #key: string;
  readonly #requestHash: string;
  #claimed: Claimed;

  /** @returns undefined without a key. @throws AppError `idempotency_key_…`, `idempotency_in_flight` */
  static async take(c: Context<AppEnv>, request: unknown): Promise<RequestKey | undefined> {
    const key = idempotencyKeyOf(c);
    if (key === undefined) return undefined;
    const text = new TextEncoder().encode(JSON.stringify([c.req.method, c.req.path, request]));
    const requestHash = toHex(await crypto.subtle.digest('SHA-256', text));
    return new RequestKey(c, key, requestHash, await takeKey(c, key, requestHash));
  }

  private constructor(c: Context<AppEnv>, key: string, requestHash: string, claimed: Claimed) {
    this.#c = c;
    this.#key = key;
    this.#requestHash = requestHash;
    this.#claimed = claimed;
  }

  /** Of what the first request with this key has made, or of what this one is to make. */
  get resourceId(): string {
    return this.#claimed.row.resourceId;
  }

  get isDone(): boolean {
    return this.#claimed.row.status !== null;
  }

  /** Whether an earlier request may have made something. */
  get isRepeated(): boolean {
    return !this.#claimed.isFirst;
  }

  /** What the earlier request left is of no use: this one begins anew, with another id. */
  async beginAnew(): Promise<void> {
    await freeKey(this.#c.env.DB, this.#claimed.claim);
    this.#claimed = await takeKey(this.#c, this.#key, this.#requestHash);
  }

  async settle(status: number): Promise<void> {
    if (!this.isDone) await settle(this.#c, this.#claimed.claim, status);
  }
}

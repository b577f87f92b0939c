// Trouble that may pass: worth another connection. When it does not pass, `verdict` is how the import ends.
import type { AppError } from '../../shared/errors.ts';

export class Interrupted extends Error {
  readonly verdict: AppError;
  /** The server's own wish, from Retry-After. */
  readonly retryAfterSeconds: number | undefined;

  constructor(verdict: AppError, retryAfterSeconds?: number) {
    super(verdict.message, { cause: verdict.cause ?? verdict });
    this.name = 'Interrupted';
    this.verdict = verdict;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

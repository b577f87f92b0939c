// A failure of a call, with what the problem document said.
import type { ErrorCode } from '../errors.ts';

/** Beside the API's own codes: no answer at all, and an answer that was no problem document. */
export type ReelayErrorCode = ErrorCode | 'unreachable' | 'unknown';

type Told = {
  code: ReelayErrorCode;
  status: number;
  detail: string;
  requestId?: string;
  retryAfterSeconds?: number;
  problem?: Record<string, unknown>;
  cause?: unknown;
};

export class ReelayError extends Error {
  readonly code: ReelayErrorCode;
  /** 0 where there was no answer. */
  readonly status: number;
  /** A sentence for a person. */
  readonly detail: string;
  /** Names the request in the deployment's log. */
  readonly requestId: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  /** All that was told, particulars of the code included. */
  readonly problem: Record<string, unknown>;

  constructor({ code, status, detail, requestId, retryAfterSeconds, problem = {}, cause }: Told) {
    super(`${code}: ${detail}`, cause === undefined ? undefined : { cause });
    this.name = 'ReelayError';
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.requestId = requestId;
    this.retryAfterSeconds = retryAfterSeconds;
    this.problem = problem;
  }

  static async of(response: Response): Promise<ReelayError> {
    const problem = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    const requestId = text(problem.requestId) ?? response.headers.get('X-Request-Id');
    const retryAfterSeconds = Number(response.headers.get('Retry-After'));
    return new ReelayError({
      code: (text(problem.code) ?? 'unknown') as ReelayErrorCode,
      status: response.status,
      detail: text(problem.detail) ?? `The server answered ${response.status}.`,
      ...(requestId && { requestId }),
      ...(retryAfterSeconds > 0 && { retryAfterSeconds }),
      problem,
    });
  }

  /** Whether the same call may do better in a moment: no connection, overload, trouble of the server. */
  get mayPass(): boolean {
    return (
      this.status === 0 || this.status === 429 || this.status >= 500 || this.code === 'idempotency_in_flight'
    );
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

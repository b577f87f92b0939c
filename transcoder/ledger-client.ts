// The Worker's internal API. Every call may be repeated: the ledger compares before it sets.
import { z } from 'zod';
import { AppError, isErrorCode } from '../shared/errors.ts';
import {
  Claim,
  type ClaimRequest,
  CommitAnswer,
  HelloAnswer,
  type ImportBegin,
  type ImportedPart,
  ImportTarget,
  IssuedKeys,
  LeaseAnswer,
  type PlanSummary,
  type Presentation,
  type TaskFailure,
  type TaskProgress,
} from '../shared/messages.ts';
import type { ContentKey } from '../shared/protection.ts';
import type { Receipt } from '../shared/receipt.ts';
import { childOf, parseTraceparent, traceparentOf } from '../shared/trace-context.ts';
import { meter } from './metrics.ts';
import { withRetries } from './retry.ts';

export type LedgerClient = {
  /** Leases of a former self under this worker id that were given back. */
  hello(workerId: string): Promise<number>;
  /** `signal` ends the repeating only: an answer on its way may hold a lease, which must not get lost. */
  claim(request: ClaimRequest, signal?: AbortSignal): Promise<Claim | undefined>;
  /** @param traceparent of the claim: all calls about the task go on with it */
  task(jobToken: string, traceparent?: string): TaskLedger;
};

/** Calls about one claimed task. All throw AppError `lease_lost` once the task is someone else's. */
export type TaskLedger = {
  /** Not repeated by itself: the next beat comes soon enough. */
  heartbeat(): Promise<{ leaseSeconds: number }>;
  /** `part` where the task is an import. */
  commit(mark: number, part?: ImportedPart): Promise<void>;
  beginImport(file: ImportBegin): Promise<ImportTarget>;
  contentKey(number: number): Promise<ContentKey>;
  reportImport(sizeBytes: number): Promise<void>;
  reportPlan(summary: PlanSummary): Promise<void>;
  reportDone(mark: number): Promise<void>;
  publish(presentation: Presentation, receipt?: Receipt): Promise<void>;
  fail(failure: TaskFailure): Promise<void>;
  release(): Promise<void>;
  /** For display; not repeated. */
  progress(progress: TaskProgress): Promise<void>;
};

const RETRY_DELAYS_MS = [200, 400, 800, 1600, 3200];
const REQUEST_TIMEOUT_MS = 15_000;

const Problem = z.object({ code: z.string(), detail: z.string().optional() });

export type LedgerAddress = { url: string; secret: string; retryDelaysMs?: readonly number[] };

/** `traceparent` is what the calls go on with. */
export type CallSettings = Omit<LedgerAddress, 'secret'> & { traceparent?: string | undefined };

export type InternalCalls = {
  /** One attempt. */
  post(path: string, token: string, body: object): Promise<unknown>;
  /** Repeated while the trouble may pass; `signal` ends the repeating only. */
  insist(path: string, token: string, body: object, signal?: AbortSignal): Promise<unknown>;
};

/** POSTs below /internal/. What the Worker refuses is thrown as the AppError it names. */
export function createInternalCalls({
  url,
  retryDelaysMs = RETRY_DELAYS_MS,
  traceparent,
}: CallSettings): InternalCalls {
  const trace = parseTraceparent(traceparent);
  const post = async (path: string, token: string, body: object): Promise<unknown> => {
    const response = await fetch(`${url}/internal/${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        ...(trace && { traceparent: traceparentOf(childOf(trace)) }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    const text = await response.text();
    if (!response.ok) throw refusal(path, response.status, text);
    return text === '' ? undefined : JSON.parse(text);
  };

  return {
    post,
    insist: (path, token, body, signal) =>
      withRetries(() => post(path, token, body), {
        delaysMs: retryDelaysMs,
        isRetryable: isPassing,
        onRetry: () => meter.count('reelay_transcoder_retries_total', { to: 'ledger' }),
        ...(signal && { signal }),
      }),
  };
}

export function createLedgerClient(options: LedgerAddress): LedgerClient {
  const { insist } = createInternalCalls(options);

  return {
    async hello(workerId) {
      return HelloAnswer.parse(await insist('hello', options.secret, { workerId })).released;
    },

    async claim(request, signal) {
      const answer = await insist('claim', options.secret, request, signal);
      return answer === undefined ? undefined : Claim.parse(answer);
    },

    task(claimedToken, traceparent) {
      const { post, insist } = createInternalCalls({ ...options, traceparent });
      let token = claimedToken;
      return {
        async heartbeat() {
          const { leaseSeconds, jobToken } = LeaseAnswer.parse(await post('heartbeat', token, {}));
          token = jobToken ?? token;
          return { leaseSeconds };
        },
        commit: async (mark, part) =>
          void CommitAnswer.parse(await insist('commit', token, { mark, ...(part && { part }) })),
        beginImport: async (file) => ImportTarget.parse(await insist('import/begin', token, file)),
        async contentKey(number) {
          const { keys } = IssuedKeys.parse(await insist('keys', token, { numbers: [number] }));
          const issued = keys.find(({ n }) => n === number);
          if (!issued) throw new AppError('internal', { detail: `The ledger gave no key ${number}.` });
          return { keyId: issued.keyId, key: Buffer.from(issued.key, 'base64url') };
        },
        reportImport: async (sizeBytes) => void (await insist('imported', token, { sizeBytes })),
        reportPlan: async (summary) => void (await insist('plan', token, { summary })),
        reportDone: async (mark) => void (await insist('done', token, { mark })),
        publish: async (presentation, receipt) =>
          void (await insist('publish', token, { presentation, ...(receipt && { receipt }) })),
        fail: async (failure) => void (await insist('fail', token, failure)),
        release: async () => void (await insist('release', token, {})),
        progress: async (progress) => void (await post('progress', token, progress)),
      };
    },
  };
}

/** The ledger said no with a code of the table, or something in front of it answered. */
function refusal(path: string, status: number, text: string): AppError {
  const problem = Problem.safeParse(parseJson(text));
  if (problem.success && isErrorCode(problem.data.code)) {
    return new AppError(problem.data.code, { ...(problem.data.detail && { detail: problem.data.detail }) });
  }
  const code = status === 429 ? 'rate_limited' : 'internal';
  return new AppError(code, { detail: `The ledger answered ${status} to ${path}.` });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Network errors, timeouts, overload; never a refusal that will be the same next time. */
function isPassing(error: unknown): boolean {
  return error instanceof AppError
    ? error.status >= 500 || error.status === 429
    : !(error instanceof z.ZodError);
}

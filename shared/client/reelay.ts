// The typed client: `import { createReelay } from 'reelay/client'`. It needs nothing but `fetch`, so it runs in Node,
// in browsers and in Workers, and its size is that of this file.
import type { ErrorCode } from '../errors.ts';
import type { CallAnswer, CallArguments, CallInput, CallName, PagedName, PageItem } from './call-types.ts';
import { ReelayError } from './reelay-error.ts';

export type { CallAnswer, CallInput, CallName, ErrorCode };
export { ReelayError };

export type ReelayOptions = {
  /** Where the deployment is, such as `https://video.example.com`. */
  baseUrl: string;
  /** A JWT or an API key, or what fetches one: it is asked before every attempt. */
  token?: string | (() => string | Promise<string>);
  /** For tests, proxies and service bindings. */
  fetch?: (request: Request) => Promise<Response>;
  /** Attempts at a call that failed for a reason that passes. 3 where it is absent. */
  attempts?: number;
};

export type Reelay = {
  /**
   * One call of the API, named as in its document: `call('POST /v1/uploads', { body: { … } })`.
   *
   * @throws ReelayError for every answer but a success, and where there was no answer
   */
  call<Name extends CallName>(name: Name, ...input: CallArguments<Name>): Promise<CallAnswer<Name>>;
  /** Everything in the pages of a list, fetched as it is asked for. */
  all<Name extends PagedName>(
    name: Name,
    ...input: CallArguments<Name>
  ): AsyncGenerator<PageItem<CallAnswer<Name>>, void, undefined>;
};

type AnyInput = {
  params?: Record<string, string | number>;
  query?: Record<string, unknown>;
  body?: unknown;
  headers?: Record<string, string>;
  idempotencyKey?: string;
  signal?: AbortSignal;
};

const ATTEMPTS = 3;
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 15_000;

export function createReelay(options: ReelayOptions): Reelay {
  const call = async (name: CallName, input: AnyInput = {}): Promise<unknown> => {
    // One key for all attempts, so that the second does not repeat what the first has done.
    const idempotencyKey = input.idempotencyKey ?? crypto.randomUUID();
    const attempts = isRepeatable(name, input.body) ? (options.attempts ?? ATTEMPTS) : 1;
    for (let attempt = 1; ; attempt++) {
      try {
        return await answerTo(await send(options, name, { ...input, idempotencyKey }), name);
      } catch (error) {
        const mayPass = error instanceof ReelayError && error.mayPass && !input.signal?.aborted;
        if (!mayPass || attempt >= attempts) throw error;
        const delayMs = (error.retryAfterSeconds ?? 0) * 1000 || FIRST_DELAY_MS * 2 ** (attempt - 1);
        await waitFor(Math.min(delayMs, MAX_DELAY_MS), input.signal);
      }
    }
  };
  async function* all(name: CallName, input: AnyInput = {}) {
    let cursor: string | undefined;
    do {
      const query = { ...input.query, ...(cursor !== undefined && { cursor }) };
      const page = (await call(name, { ...input, query })) as { nextCursor?: string };
      cursor = page.nextCursor;
      for (const value of Object.values(page)) if (Array.isArray(value)) yield* value;
    } while (cursor !== undefined);
  }
  return { call, all } as unknown as Reelay;
}

async function send(options: ReelayOptions, name: CallName, input: AnyInput): Promise<Response> {
  const [method = 'GET', template = ''] = name.split(' ');
  const { params = {}, query = {}, body, signal } = input;
  const path = template.replace(/\{(\w+)\}/g, (_, param: string) => encoded(name, param, params[param]));
  const url = new URL(options.baseUrl.replace(/\/+$/, '') + path);
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(key, String(value));
  }
  const headers = new Headers();
  const { token } = options;
  if (token !== undefined) {
    headers.set('Authorization', `Bearer ${typeof token === 'string' ? token : await token()}`);
  }
  if (method === 'POST') headers.set('Idempotency-Key', input.idempotencyKey!);
  const isJson = body !== undefined && !isBytes(body);
  if (isJson) headers.set('Content-Type', 'application/json');
  for (const [key, value] of Object.entries(input.headers ?? {})) headers.set(key, value);
  const request = new Request(url, {
    ...{ method, headers },
    ...(body !== undefined && { body: isJson ? JSON.stringify(body) : (body as BodyInit) }),
    ...(signal && { signal }),
    // Node wants this said of bodies that are streams.
    ...(body instanceof ReadableStream && { duplex: 'half' }),
  } as RequestInit);
  try {
    return await (options.fetch ?? fetch)(request);
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ReelayError({ code: 'unreachable', status: 0, detail: 'The server cannot be reached.', cause });
  }
}

/** A path's slashes are its own: media keys have them, ids do not. */
function encoded(name: string, param: string, value: string | number | undefined): string {
  if (value === undefined || value === '') throw new TypeError(`${name} needs params.${param}`);
  const segments = param === 'key' || param === 'name' ? String(value).split('/') : [String(value)];
  return segments.map(encodeURIComponent).join('/');
}

function isBytes(body: unknown): body is BodyInit {
  return (
    typeof body === 'string' ||
    body instanceof ArrayBuffer ||
    ArrayBuffer.isView(body) ||
    [Blob, FormData, URLSearchParams, ReadableStream].some((kind) => body instanceof kind)
  );
}

async function answerTo(response: Response, name: CallName): Promise<unknown> {
  if (!response.ok) throw await ReelayError.of(response);
  if (response.status === 204 || name.startsWith('HEAD ')) return undefined;
  const isJson = (response.headers.get('Content-Type') ?? '').startsWith('application/json');
  return isJson ? await response.json() : response;
}

/** A stream is read once. Without a key a PATCH of tus would add its bytes twice. */
function isRepeatable(name: CallName, body: unknown): boolean {
  return !(body instanceof ReadableStream) && !name.startsWith('PATCH /v1/tus');
}

function waitFor(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, delayMs);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

// Reads the resources of a stream over HTTP, or from disk for file: URLs: a few at a time, each within a size and
// a time, as its server sends it.
import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MIB } from '../../shared/limits.ts';
import { withRetries } from '../retry.ts';

export type ByteRange = { offset: number; sizeBytes: number };
export type Resource = { url: string; range?: ByteRange | undefined };

export type Answer = {
  /** Where it came from, after redirects. */
  url: string;
  bytes: Uint8Array;
  /** Absent for files on disk. */
  headers?: Headers;
  /** The server sent the whole although a range was asked for. */
  isRangeIgnored: boolean;
};

/** Why a resource could not be read. `check` is the check that it fails. */
export class Unreadable extends Error {
  readonly check: 'reachable' | 'content-length';
  readonly isTemporary: boolean;

  constructor(
    check: Unreadable['check'],
    problem: string,
    { isTemporary = false, cause }: { isTemporary?: boolean; cause?: unknown } = {},
  ) {
    super(problem, { cause });
    this.check = check;
    this.isTemporary = isTemporary;
  }
}

const READS_AT_ONCE = 4;
const READ_TIMEOUT_MS = 60_000;
/** A segment of 2160p has about 10 MB. */
const MAX_BYTES = 256 * MIB;
const RETRY_DELAYS_MS = [200, 1000];
const TEMPORARY_STATUSES = new Set([429, 502, 503, 504]);

export type StreamReader = {
  read(resource: Resource): Promise<Answer>;
  /** Bytes read so far. */
  readonly bytesRead: number;
};

/** @param rootUrl A stream that came over the network may not name files of this machine. */
export function createStreamReader(rootUrl: string, signal: AbortSignal): StreamReader {
  const mayReadFiles = rootUrl.startsWith('file:');
  const gate = createGate(READS_AT_ONCE);
  let bytesRead = 0;
  async function once(resource: Resource): Promise<Answer> {
    const { protocol } = URL.canParse(resource.url) ? new URL(resource.url) : { protocol: '' };
    if (protocol === 'file:' && mayReadFiles) return readFile(resource);
    if (protocol === 'http:' || protocol === 'https:') return readHttp(resource, signal);
    throw new Unreadable('reachable', `It is named by a URL that is not read here (${protocol || 'none'}).`);
  }
  return {
    read: (resource) =>
      gate(async () => {
        signal.throwIfAborted();
        const answer = await withRetries(() => once(resource), {
          delaysMs: RETRY_DELAYS_MS,
          isRetryable: (error) => error instanceof Unreadable && error.isTemporary,
          signal,
        });
        bytesRead += answer.bytes.length;
        return answer;
      }),
    get bytesRead() {
      return bytesRead;
    },
  };
}

async function readHttp({ url, range }: Resource, signal: AbortSignal): Promise<Answer> {
  const ends = AbortSignal.any([signal, AbortSignal.timeout(READ_TIMEOUT_MS)]);
  const headers: Record<string, string> = range
    ? { range: `bytes=${range.offset}-${range.offset + range.sizeBytes - 1}` }
    : {};
  const response = await fetch(url, { headers, signal: ends }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new Unreadable('reachable', `No answer: ${reasonOf(cause)}.`, {
      isTemporary: !ends.aborted,
      cause,
    });
  });
  if (!response.ok) {
    await response.body?.cancel();
    const isTemporary = TEMPORARY_STATUSES.has(response.status);
    throw new Unreadable('reachable', `The server answers ${response.status}.`, { isTemporary });
  }
  const declared = Number(response.headers.get('content-length') ?? Number.NaN);
  const body = await readBody(response, declared, signal);
  const isRangeIgnored = range !== undefined && response.status !== 206;
  return {
    url: response.url || url,
    bytes: isRangeIgnored ? body.subarray(range.offset, range.offset + range.sizeBytes) : body,
    headers: response.headers,
    isRangeIgnored,
  };
}

async function readBody(response: Response, declared: number, signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_BYTES) throw new Unreadable('reachable', `It is larger than ${MAX_BYTES} bytes.`);
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof Unreadable) throw cause;
    const of = Number.isFinite(declared) ? ` of ${declared}` : '';
    throw new Unreadable('content-length', `The body breaks off after ${sizeBytes}${of} bytes.`, { cause });
  }
  return Buffer.concat(chunks);
}

async function readFile({ url, range }: Resource): Promise<Answer> {
  try {
    await using file = await open(fileURLToPath(url));
    const { size } = await file.stat();
    const offset = range?.offset ?? 0;
    const sizeBytes = Math.max(0, Math.min(range?.sizeBytes ?? size, size - offset));
    if (sizeBytes > MAX_BYTES) throw new Unreadable('reachable', `It is larger than ${MAX_BYTES} bytes.`);
    const bytes = Buffer.alloc(sizeBytes);
    await file.read(bytes, 0, sizeBytes, offset);
    return { url, bytes, isRangeIgnored: false };
  } catch (cause) {
    if (cause instanceof Unreadable) throw cause;
    throw new Unreadable('reachable', `It cannot be read: ${reasonOf(cause)}.`, { cause });
  }
}

/** Lets so many in at once, in order. */
function createGate(width: number): <T>(work: () => Promise<T>) => Promise<T> {
  let inside = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (inside >= width) await new Promise<void>((resolve) => waiting.push(resolve));
    else inside++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else inside--;
    }
  };
}

function reasonOf(error: unknown): string {
  const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return reason instanceof Error ? reason.message || reason.name : 'no reason given';
}

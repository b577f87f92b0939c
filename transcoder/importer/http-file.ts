// A file behind a URL, read by ranges: RFC 9110 §13.1.5 (If-Range), §14 (ranges). An answer that is not exactly
// what was asked for is never written.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { AppError } from '../../shared/errors.ts';
import type { ImportUrlPolicy } from '../../shared/import-url.ts';
import type { Network } from './address-guard.ts';
import { getFollowing, type HttpContext } from './http-request.ts';
import { Interrupted } from './interrupted.ts';
import type { OpenAt, OpenFile, Position } from './open-file.ts';

/** Silence within a body. */
const IDLE_TIMEOUT_MS = 30_000;
const MAX_VALIDATOR_CHARS = 512;
/** Statuses by which a server says "not now". */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

export function httpFile(
  url: string,
  policy: ImportUrlPolicy,
  network: Network,
  idleTimeoutMs = IDLE_TIMEOUT_MS,
): OpenAt {
  return (position, signal) => openAt(url, position, { policy, network, signal }, idleTimeoutMs);
}

async function openAt(
  url: string,
  position: Position,
  context: HttpContext,
  idleTimeoutMs: number,
): Promise<OpenFile> {
  const { offset, validator } = position;
  const ask: Record<string, string> = { range: `bytes=${offset}-` };
  if (offset > 0 && validator !== undefined) ask['if-range'] = validator;
  const response = await getFollowing(url, ask, context);
  try {
    const answer = judge(response, position);
    if (answer !== 'changed') {
      const length = answer.endsAt === undefined ? undefined : answer.endsAt - answer.offset;
      const { offset: from, sizeBytes } = answer;
      return {
        offset: from,
        sizeBytes,
        validator: validatorOf(response.headers),
        body: bodyOf(response, length, idleTimeoutMs, context.signal),
        close: () => void response.destroy(),
      };
    }
  } catch (error) {
    response.destroy();
    throw error;
  }
  response.destroy();
  return openAt(url, { offset: 0 }, context, idleTimeoutMs);
}

type Answer = { offset: number; sizeBytes: number | undefined; endsAt: number | undefined };

function judge(response: IncomingMessage, position: Position): Answer | 'changed' {
  const { statusCode: status = 0, headers } = response;
  if (status === 416) return rangeRefused(headers, position);
  if (status !== 200 && status !== 206) throw statusRefused(status, headers);
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    throw refused(`The server sent the file as ${encoding.slice(0, 50)}, which was not asked for.`);
  }
  return status === 206 ? partial(headers, position) : whole(headers);
}

function whole(headers: IncomingHttpHeaders): Answer {
  const length = headers['content-length'];
  if (length !== undefined) {
    const sizeBytes = Number(length);
    return { offset: 0, sizeBytes, endsAt: sizeBytes };
  }
  // A body that ends with its connection looks the same when it was cut off.
  if (headers['transfer-encoding'] === undefined) {
    throw refused('The server does not say how long the file is.');
  }
  return { offset: 0, sizeBytes: undefined, endsAt: undefined };
}

function partial(headers: IncomingHttpHeaders, position: Position): Answer | 'changed' {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/i.exec(headers['content-range'] ?? '');
  if (!match) throw refused('The server sent a part without saying which, or of how many bytes.');
  const [first = 0, last = 0, sizeBytes = 0] = match.slice(1).map(Number);
  if (first !== position.offset || last < first || last >= sizeBytes || !Number.isSafeInteger(sizeBytes)) {
    throw refused('The server sent other bytes than it was asked for.');
  }
  const validator = validatorOf(headers);
  const isOther =
    (position.sizeBytes !== undefined && position.sizeBytes !== sizeBytes) ||
    (position.validator !== undefined && position.validator !== validator);
  // A server that does not know If-Range sends the end of another file.
  if (position.offset > 0 && isOther) return 'changed';
  return { offset: first, sizeBytes, endsAt: last + 1 };
}

function rangeRefused(headers: IncomingHttpHeaders, position: Position): 'changed' {
  if (position.offset > 0) return 'changed';
  if (/^bytes \*\/0$/i.test(headers['content-range'] ?? '')) throw new AppError('upload_empty');
  throw statusRefused(416, headers);
}

function statusRefused(status: number, headers: IncomingHttpHeaders): AppError | Interrupted {
  const verdict = refused(`The server answered with status ${status}.`);
  if (!PASSING.has(status)) return verdict;
  const seconds = Number(headers['retry-after']);
  return new Interrupted(verdict, Number.isFinite(seconds) ? seconds : undefined);
}

/** A strong etag, or else the date of the last change; weak etags promise too little for ranges. */
function validatorOf(headers: IncomingHttpHeaders): string | undefined {
  const { etag, 'last-modified': lastModified } = headers;
  const validator = etag?.startsWith('"') ? etag : lastModified;
  return validator !== undefined && validator.length <= MAX_VALIDATOR_CHARS ? validator : undefined;
}

async function* bodyOf(
  response: IncomingMessage,
  length: number | undefined,
  idleTimeoutMs: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const giveUp = () => response.destroy(new Error('the body stalled'));
  let idle = setTimeout(giveUp, idleTimeoutMs);
  const stop = () => response.destroy(new Error('stopped'));
  signal.addEventListener('abort', stop, { once: true });
  let received = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      received += chunk.length;
      if (length !== undefined && received > length) throw refused('The server sent more than it announced.');
      // Not while the reader is busy: its pace is not the server's silence.
      clearTimeout(idle);
      yield chunk;
      idle = setTimeout(giveUp, idleTimeoutMs);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AppError) throw error;
    throw broken(error);
  } finally {
    clearTimeout(idle);
    signal.removeEventListener('abort', stop);
    response.destroy();
  }
  if (length !== undefined && received < length) throw broken(undefined);
}

function broken(cause: unknown): Interrupted {
  const detail = 'The connection to the server broke again and again.';
  return new Interrupted(new AppError('import_unreachable', { detail, cause }));
}

function refused(detail: string): AppError {
  return new AppError('import_refused_by_server', { detail });
}

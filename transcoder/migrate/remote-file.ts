// A file on somebody's server, read in places by GET alone: for looking into its index, never for its media.
import type { ByteSource } from '../../shared/probe/byte-source.ts';
import { ApiFailure } from '../cli/api-client.ts';
import { BRIEF, type RetryPolicy, withRetries } from '../cli/retry.ts';

/** Asked anew for every read: signatures run out. */
export type AddressOf = () => Promise<{ url: URL; headers?: Record<string, string> }>;

export type RemoteFile = ByteSource & { etag: string | undefined };

export type ReadOptions = {
  signal?: AbortSignal | undefined;
  fetch?: typeof globalThis.fetch;
  policy?: RetryPolicy;
};

const BLOCK_BYTES = 256 * 1024;
const MAX_READ_BYTES = 4 * 1024 * 1024;
const READ_TIMEOUT_MS = 60_000;

/** @throws ApiFailure `source_not_found`, `source_refused`, `source_unreachable`, `upload_empty`; TypeError without a connection */
export async function openRemoteFile(addressOf: AddressOf, options: ReadOptions = {}): Promise<RemoteFile> {
  const first = await readPlace(addressOf, 0, BLOCK_BYTES, options);
  const { sizeBytes, etag } = first;
  let block = { offset: 0, bytes: first.bytes };
  const place = async (offset: number, length: number) => {
    const read = await readPlace(addressOf, offset, length, options);
    if (read.etag !== etag || read.sizeBytes !== sizeBytes) throw changed();
    return read.bytes;
  };
  return {
    sizeBytes,
    etag,
    async read(offset, wanted) {
      const length = Math.max(0, Math.min(wanted, sizeBytes - offset));
      const isHeld = () => offset >= block.offset && offset + length <= block.offset + block.bytes.length;
      if (length <= BLOCK_BYTES) {
        if (!isHeld())
          block = { offset, bytes: await place(offset, Math.min(BLOCK_BYTES, sizeBytes - offset)) };
        return block.bytes.subarray(offset - block.offset, offset - block.offset + length);
      }
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += MAX_READ_BYTES) {
        bytes.set(await place(offset + at, Math.min(MAX_READ_BYTES, length - at)), at);
      }
      return bytes;
    },
  };
}

/** What tells a file from a changed one, by one GET of its first byte. */
export async function statRemoteFile(
  addressOf: AddressOf,
  options: ReadOptions = {},
): Promise<{ sizeBytes: number; etag: string | undefined }> {
  const { sizeBytes, etag } = await readPlace(addressOf, 0, 1, options);
  return { sizeBytes, etag };
}

type Place = { bytes: Uint8Array; sizeBytes: number; etag: string | undefined };

function readPlace(
  addressOf: AddressOf,
  offset: number,
  length: number,
  options: ReadOptions,
): Promise<Place> {
  return withRetries(() => readOnce(addressOf, offset, length, options), {
    policy: options.policy ?? BRIEF,
    signal: options.signal,
  });
}

async function readOnce(
  addressOf: AddressOf,
  offset: number,
  length: number,
  { signal, fetch = globalThis.fetch }: ReadOptions,
): Promise<Place> {
  const { url, headers } = await addressOf();
  const timeout = AbortSignal.timeout(READ_TIMEOUT_MS);
  const response = await fetch(url, {
    headers: { ...headers, range: `bytes=${offset}-${offset + length - 1}`, 'accept-encoding': 'identity' },
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  });
  if (response.status !== 206 && response.status !== 200) throw await refusal(response);
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  const sizeBytes = range ? Number(range[2]) : Number(response.headers.get('content-length') ?? Number.NaN);
  if (!Number.isSafeInteger(sizeBytes) || (range && Number(range[1]) !== offset)) {
    await response.body?.cancel();
    throw new ApiFailure('source_refused', 'The server does not say how large the file is.', 400);
  }
  if (!range && offset > 0) {
    await response.body?.cancel();
    throw new ApiFailure('source_without_ranges', 'The server sends files as a whole only.', 400);
  }
  const bytes = await firstBytes(response, length);
  const etag = response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined;
  if (sizeBytes === 0) throw empty();
  return { bytes, sizeBytes, etag };
}

/** Of an answer that may be the whole film. */
async function firstBytes(response: Response, length: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let received = 0;
  for await (const piece of response.body ?? []) {
    pieces.push(piece);
    received += piece.length;
    // Leaving the loop gives up the rest.
    if (received >= length) break;
  }
  return Buffer.concat(pieces).subarray(0, length);
}

async function refusal(response: Response): Promise<ApiFailure> {
  const { status } = response;
  await response.body?.cancel();
  if (status === 404 || status === 410) {
    return new ApiFailure('source_not_found', `Nothing is there (status ${status}).`, status);
  }
  // RFC 9110 §14.4: an empty file satisfies no range.
  if (status === 416) return empty();
  const code = status >= 500 || status === 429 ? 'source_unreachable' : 'source_refused';
  return new ApiFailure(code, `The server answered with status ${status}.`, status);
}

function empty(): ApiFailure {
  return new ApiFailure('upload_empty', 'The file is empty.', 422);
}

function changed(): ApiFailure {
  return new ApiFailure('import_source_changed', 'The file changed while it was being read.', 409);
}

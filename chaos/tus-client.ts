// A small tus 1.0 client: create, PATCH, and after any failure HEAD for where to go on.
// https://tus.io/protocols/resumable-upload

import { ApiFailure } from '../transcoder/cli/api-client.ts';
import { fileSlice } from '../transcoder/cli/file-slice.ts';
import { type RetryOptions, withRetries } from '../transcoder/cli/retry.ts';

const VERSION = { 'tus-resumable': '1.0.0' };

export type TusServer = { url: string; token: string; fetch: typeof globalThis.fetch };

export type TusUpload = {
  path: string;
  filename: string;
  sizeBytes: number;
  /** Of one PATCH. */
  chunkBytes: number;
  /** Filled in as soon as it is known; with it a later call goes on. */
  memory: { location?: URL };
  /** Told how far the body under way reaches, and where this call went on from. */
  onBytes: (sentBytes: number, resumedBytes: number) => void;
};

/** Whether the deployment speaks tus at all. */
export async function hasTus(server: TusServer): Promise<boolean> {
  const response = await server.fetch(new URL('/v1/tus', server.url), { method: 'OPTIONS' });
  await response.body?.cancel();
  return response.ok && response.headers.has('tus-version');
}

/** @returns the upload's id, the last part of its address */
export async function uploadByTus(
  server: TusServer,
  upload: TusUpload,
  retry: RetryOptions,
): Promise<string> {
  const authorization = { authorization: `Bearer ${server.token}`, ...VERSION };
  const isGoingOn = upload.memory.location !== undefined;
  const location = upload.memory.location ?? (await create(server, upload, authorization, retry));
  upload.memory.location = location;
  let offset = isGoingOn ? await withRetries(() => askOffset(server, location, authorization), retry) : 0;
  const resumedBytes = offset;
  while (offset < upload.sizeBytes) {
    offset = await withRetries(async (count) => {
      const from = count === 1 ? offset : await askOffset(server, location, authorization);
      if (from >= upload.sizeBytes) return from;
      const onBytes = (bytes: number) => upload.onBytes(from + bytes, resumedBytes);
      return sendChunk(server, { ...upload, onBytes }, location, from, authorization, retry.signal);
    }, retry);
  }
  return location.pathname.split('/').at(-1)!;
}

async function create(
  server: TusServer,
  { filename, sizeBytes }: TusUpload,
  authorization: Record<string, string>,
  retry: RetryOptions,
): Promise<URL> {
  const metadata = `filename ${Buffer.from(filename).toString('base64')}`;
  const headers = { ...authorization, 'upload-length': String(sizeBytes), 'upload-metadata': metadata };
  return withRetries(async () => {
    const init = { method: 'POST', headers };
    const response = await checked(await server.fetch(new URL('/v1/tus', server.url), init));
    return new URL(response.headers.get('location')!, server.url);
  }, retry);
}

async function sendChunk(
  server: TusServer,
  { path, sizeBytes, chunkBytes, onBytes }: Omit<TusUpload, 'onBytes'> & { onBytes: (bytes: number) => void },
  location: URL,
  from: number,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<number> {
  const length = Math.min(chunkBytes, sizeBytes - from);
  const body = fileSlice(path, from, length, onBytes);
  const init = {
    method: 'PATCH',
    headers: {
      ...headers,
      'upload-offset': String(from),
      'content-type': 'application/offset+octet-stream',
      'content-length': String(length),
    },
    body: body.stream(),
    duplex: 'half',
    ...(signal && { signal }),
  };
  const response = await checked(await server.fetch(location, init as RequestInit));
  return Number(response.headers.get('upload-offset'));
}

async function askOffset(server: TusServer, location: URL, headers: Record<string, string>): Promise<number> {
  const response = await checked(await server.fetch(location, { method: 'HEAD', headers }));
  return Number(response.headers.get('upload-offset'));
}

/** A 409 tells of another offset and a 423 of another writer: both are answered by asking again. */
async function checked(response: Response): Promise<Response> {
  if (response.ok) {
    await response.body?.cancel();
    return response;
  }
  const isConflict = response.status === 409 || response.status === 423;
  const more = isConflict ? { retryAfterSeconds: 0 } : {};
  throw new ApiFailure(`http_${response.status}`, await response.text(), response.status, more);
}

// The public API as a client sees it: plain fetch, no code of the product in between.
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';

// biome-ignore lint/suspicious/noExplicitAny: answers are asserted on, not typed
export type Json = Record<string, any>;
export type Method = 'single' | 'multipart' | 'presigned';

export type Api = ReturnType<typeof apiAt>;

export function apiAt(url: string, token: string) {
  const request = async (path: string, init: RequestInit & { json?: unknown } = {}) => {
    const { json, ...rest } = init;
    const headers = new Headers(init.headers);
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${token}`);
    if (json !== undefined) headers.set('content-type', 'application/json');
    const body = json === undefined ? init.body : JSON.stringify(json);
    const send = () => fetch(new URL(path, url), { ...rest, headers, body: body ?? null });
    const response = await send();
    const isRepeatable = !(body instanceof ReadableStream);
    return isRepeatable && (await isLostByDevServer(response)) ? send() : response;
  };
  const call = async (path: string, init?: RequestInit & { json?: unknown }): Promise<Json> => {
    const response = await request(path, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${init?.method ?? 'GET'} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : {};
  };
  return { url, token, request, call };
}

/**
 * Whether the dev server lost the request on its way to the Worker: it keeps connections for five seconds, and now and
 * then sends on one that is just being closed. An error of the Worker's own is problem+json.
 */
async function isLostByDevServer(response: Response): Promise<boolean> {
  if (response.status !== 500 || response.headers.get('content-type')?.includes('problem+json')) return false;
  return (await response.clone().text()).startsWith('Error: Network connection lost.');
}

/** Uploads a file by one method and completes it. Parts are read from disk one at a time. */
export async function uploadFile(api: Api, path: string, method: Method, video: Json = {}): Promise<Json> {
  const { size } = await stat(path);
  const created = await api.call('/v1/uploads', {
    method: 'POST',
    json: { filename: basename(path), sizeBytes: size, method, video },
  });
  if (method === 'single') await putSingle(api, created, path, size);
  else await putParts(api, created, path, size, method);
  return api.call(`/v1/uploads/${created.uploadId}/complete`, { method: 'POST', json: {} });
}

async function putSingle(api: Api, created: Json, path: string, size: number): Promise<void> {
  const body = Readable.toWeb(createReadStream(path)) as ReadableStream;
  await api.call(`/v1/uploads/${created.uploadId}/content`, {
    method: 'PUT',
    body,
    headers: { 'content-length': String(size) },
    duplex: 'half',
  } as RequestInit);
}

async function putParts(api: Api, created: Json, path: string, size: number, method: Method): Promise<void> {
  await using file = await open(path);
  for (let number = 1; number <= created.partCount; number += 1) {
    const offset = (number - 1) * created.partSizeBytes;
    const bytes = Buffer.alloc(Math.min(created.partSizeBytes, size - offset));
    await file.read(bytes, 0, bytes.length, offset);
    if (method === 'multipart') {
      await api.call(`/v1/uploads/${created.uploadId}/parts/${number}`, { method: 'PUT', body: bytes });
      continue;
    }
    const { parts } = await api.call(`/v1/uploads/${created.uploadId}/parts`, {
      method: 'POST',
      json: { numbers: [number] },
    });
    const stored = await fetch(parts[0].url, { method: 'PUT', headers: parts[0].headers, body: bytes });
    if (!stored.ok) throw new Error(`part ${number}: ${stored.status} ${await stored.text()}`);
    await api.call(`/v1/uploads/${created.uploadId}/parts/${number}/etag`, {
      method: 'PUT',
      json: { etag: stored.headers.get('etag') },
    });
  }
}

/** Polls until the job has ended; the job's own state is the answer, whatever it is. */
export async function jobEnd(api: Api, jobId: string, timeoutMs = 150_000): Promise<Json> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const job = await api.call(`/v1/jobs/${jobId}`);
    if (['succeeded', 'failed', 'cancelled'].includes(job.state)) return job;
    if (Date.now() > end)
      throw new Error(`job ${jobId} still ${job.state} at ${job.progress} % (${job.stage})`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

/** Collects a job's events over a WebSocket opened with a one-use ticket, until the last one. */
export async function watchJob(api: Api, jobId: string): Promise<Json[]> {
  const { ticket } = await api.call(`/v1/jobs/${jobId}/ticket`, { method: 'POST' });
  const socketUrl = new URL(`/v1/jobs/${jobId}/events?ticket=${ticket}`, api.url.replace('http', 'ws'));
  const events: Json[] = [];
  await new Promise<void>((resolve, reject) => {
    const socket = new WebSocket(socketUrl);
    socket.onerror = () => reject(new Error('the socket failed'));
    socket.onclose = () => resolve();
    socket.onmessage = (message) => {
      const event = JSON.parse(String(message.data));
      events.push(event);
      if (event.type === 'ready' || event.type === 'failed') {
        socket.close();
        resolve();
      }
    };
  });
  return events;
}

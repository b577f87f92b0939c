// A tus client in a few lines, each step of which a test can leave out or spoil.
import { createExecutionContext, env } from 'cloudflare:test';
import { expect } from 'vitest';
import type { CreatedUpload } from '../../shared/api.ts';
import { createApp } from '../../worker/app.ts';
import type { Env } from '../../worker/env.ts';
import { type Client, codeOf, ORIGIN, signJwt } from './api-client.ts';

export const CHUNK_TYPE = 'application/offset+octet-stream';

export type Bytes = Uint8Array<ArrayBuffer>;
type Headers = Record<string, string>;

/** Pairs as Upload-Metadata; a value of null leaves the space out. */
export function metadataOf(values: Record<string, string | null>): string {
  return Object.entries(values)
    .map(([key, value]) => (value === null ? key : `${key} ${base64Of(new TextEncoder().encode(value))}`))
    .join(',');
}

export function base64Of(bytes: Uint8Array | ArrayBuffer): string {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}

/** One request with the version header, unless told otherwise. */
export function tus(
  client: Client,
  method: string,
  path: string,
  headers: Headers = {},
  body?: BodyInit,
): Promise<Response> {
  return client.call(method, path, {
    headers: { 'Tus-Resumable': '1.0.0', ...headers },
    ...(body !== undefined && { body }),
  });
}

/** Creates an upload and gives its path. */
export async function begin(
  client: Client,
  lengthBytes: number | null,
  headers: Headers = {},
): Promise<string> {
  const length: Headers =
    lengthBytes === null ? { 'Upload-Defer-Length': '1' } : { 'Upload-Length': String(lengthBytes) };
  const response = await tus(client, 'POST', '/v1/tus', { ...length, ...headers });
  expect(response.status, await response.clone().text()).toBe(201);
  return response.headers.get('Location')!;
}

export function patch(
  client: Client,
  path: string,
  offset: number,
  body: BodyInit,
  headers: Headers = {},
): Promise<Response> {
  const own = { 'Content-Type': CHUNK_TYPE, 'Upload-Offset': String(offset) };
  return tus(client, 'PATCH', path, { ...own, ...headers }, body);
}

/** A PATCH whose body the test feeds by hand. */
export async function openPatch(
  client: Client,
  path: string,
  offset: number,
  headers: Record<string, string> = {},
) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const request = new Request(ORIGIN + path, {
    method: 'PATCH',
    headers: {
      Authorization: `Bearer ${await signJwt({ ownerId: client.ownerId })}`,
      'Tus-Resumable': '1.0.0',
      'Content-Type': CHUNK_TYPE,
      'Upload-Offset': String(offset),
      ...headers,
    },
    body: readable,
  });
  const answer = Promise.resolve(
    createApp().request(request, undefined, env as Env, createExecutionContext() as never),
  );
  return { writer: writable.getWriter(), answer };
}

/** A PATCH that must be taken as a whole. */
export async function send(client: Client, path: string, offset: number, bytes: Bytes): Promise<Response> {
  const response = await patch(client, path, offset, bytes);
  expect(response.status, await response.clone().text()).toBe(204);
  expect(response.headers.get('Upload-Offset')).toBe(String(offset + bytes.byteLength));
  return response;
}

/** Sends everything from `offset` on in chunks of these sizes, over and over. */
export async function sendInChunks(
  client: Client,
  path: string,
  bytes: Bytes,
  sizes: number[],
  offset = 0,
): Promise<Response> {
  let response: Response | undefined;
  for (let at = offset, turn = 0; at < bytes.byteLength; turn++) {
    const chunk = bytes.subarray(at, at + sizes[turn % sizes.length]!);
    response = await send(client, path, at, chunk);
    at += chunk.byteLength;
  }
  return response!;
}

/** The offset that HEAD tells. */
export async function offsetOf(client: Client, path: string): Promise<number> {
  const response = await tus(client, 'HEAD', path);
  expect(response.status).toBe(200);
  return Number(response.headers.get('Upload-Offset'));
}

/** The code of a refusal; HEAD tells it in a header. */
export async function refusalOf(response: Response | Promise<Response>): Promise<string> {
  const answer = await response;
  return answer.headers.get('Reelay-Error-Code') ?? codeOf(answer);
}

export function tusPathOf({ uploadId }: { uploadId: string }): string {
  return `/v1/tus/${uploadId}`;
}

export function uploadIdOf(path: string): string {
  return path.split('/').at(-1)!;
}

export function objectOf(path: string) {
  return env.TUS_UPLOADS.get(env.TUS_UPLOADS.idFromName(uploadIdOf(path)));
}

export async function rowOf(path: string) {
  const row = await env.DB.prepare('SELECT * FROM uploads WHERE id = ?')
    .bind(uploadIdOf(path))
    .first<Record<string, string | number | null>>();
  return row!;
}

/** What is in R2 for an accepted upload. */
export async function storedBytes(path: string): Promise<ArrayBuffer> {
  const object = await env.MEDIA.get((await rowOf(path)).object_key as string);
  return object!.arrayBuffer();
}

/** A tus upload as other methods describe theirs, for tests that are about all of them. */
export async function createdByTus(
  client: Client,
  { sizeBytes, filename, sha256 }: { sizeBytes: number; filename: string; sha256?: unknown },
): Promise<CreatedUpload> {
  const metadata = { filename, ...(sha256 !== undefined && { sha256: String(sha256) }) };
  const path = await begin(client, sizeBytes, { 'Upload-Metadata': metadataOf(metadata) });
  const row = await rowOf(path);
  return {
    uploadId: row.id,
    videoId: row.video_id,
    method: 'tus',
    partSizeBytes: row.part_bytes,
    partCount: row.part_count,
    expiresAt: new Date((row.expires_at as number) * 1000).toISOString(),
  } as CreatedUpload;
}

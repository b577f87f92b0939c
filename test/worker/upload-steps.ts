// How a client of each upload method hands over a file, as steps a test can leave out or spoil.
import { env } from 'cloudflare:test';
import { expect } from 'vitest';
import type { CompletedUpload, CreatedUpload, UploadMethod, UploadStatus } from '../../shared/api.ts';
import { MIB } from '../../shared/limits.ts';
import type { Client } from './api-client.ts';
import { createdByTus, patch, tusPathOf } from './tus-steps.ts';

export const METHODS: UploadMethod[] = ['single', 'multipart', 'presigned', 'tus'];

/** Begins like an MP4; what follows differs from place to place, so that a misplaced part would show. */
export function videoBytes(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  const words = new Uint32Array(bytes.buffer, 0, Math.floor(sizeBytes / 4));
  for (let index = 0; index < words.length; index++) words[index] = Math.imul(index + 1, 2654435761);
  bytes.set([0, 0, 0, 16, ...new TextEncoder().encode('ftypisom'), 0, 0, 2, 0]);
  return bytes;
}

/** Two whole parts and a shorter third for the methods with parts; a small file for `single`. */
export function sizeFor(method: UploadMethod): number {
  return method === 'single' ? 100_000 : 2 * 8 * MIB + 12_345;
}

export function create(
  client: Client,
  sizeBytes: number,
  more: { method?: UploadMethod; filename?: string; [field: string]: unknown } = {},
): Promise<CreatedUpload> {
  const json = { filename: 'holiday.mp4', sizeBytes, ...more };
  if (json.method === 'tus') return createdByTus(client, json);
  return client.json<CreatedUpload>(201, 'POST', '/v1/uploads', { json });
}

export function partOf(bytes: Uint8Array<ArrayBuffer>, created: CreatedUpload, number: number) {
  return bytes.subarray((number - 1) * created.partSizeBytes, number * created.partSizeBytes);
}

export function partNumbers(created: CreatedUpload): number[] {
  return Array.from({ length: created.partCount }, (_, index) => index + 1);
}

/** Hands over one part (the only one of `single`). */
export async function sendPart(
  client: Client,
  created: CreatedUpload,
  number: number,
  body: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const base = `/v1/uploads/${created.uploadId}`;
  if (created.method === 'single') await client.json(204, 'PUT', `${base}/content`, { body });
  if (created.method === 'multipart') await client.json(200, 'PUT', `${base}/parts/${number}`, { body });
  if (created.method === 'presigned') {
    const etag = await putPresigned(created, number, body);
    await client.json(204, 'PUT', `${base}/parts/${number}/etag`, { json: { etag: `"${etag}"` } });
  }
  if (created.method === 'tus') {
    const offset = (number - 1) * created.partSizeBytes;
    const { status } = await patch(client, tusPathOf(created), offset, body);
    // The last byte completes the upload: its verdict may come here, and again from `complete`.
    expect(number === created.partCount ? [204, 422] : [204]).toContain(status);
  }
}

/** The client's PUT to the presigned URL: there is no S3 endpoint inside workerd, so the binding takes it. */
export async function putPresigned(
  created: CreatedUpload,
  number: number,
  body: Uint8Array<ArrayBuffer>,
): Promise<string> {
  return (await (await multipartOf(created)).uploadPart(number, body)).etag;
}

export async function multipartOf(created: CreatedUpload): Promise<R2MultipartUpload> {
  const row = await env.DB.prepare('SELECT object_key, r2_upload_id FROM uploads WHERE id = ?')
    .bind(created.uploadId)
    .first<{ object_key: string; r2_upload_id: string }>();
  return env.MEDIA.resumeMultipartUpload(row!.object_key, row!.r2_upload_id);
}

export async function sendAll(
  client: Client,
  created: CreatedUpload,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  for (const number of partNumbers(created)) {
    await sendPart(client, created, number, partOf(bytes, created, number));
  }
}

export function complete(client: Client, created: CreatedUpload): Promise<CompletedUpload> {
  return client.json<CompletedUpload>(200, 'POST', `/v1/uploads/${created.uploadId}/complete`, { json: {} });
}

export function statusOf(client: Client, created: CreatedUpload): Promise<UploadStatus> {
  return client.json<UploadStatus>(200, 'GET', `/v1/uploads/${created.uploadId}`);
}

/** Creates, sends and completes. */
export async function uploaded(
  client: Client,
  bytes = videoBytes(50_000),
  more: Parameters<typeof create>[2] = {},
) {
  const created = await create(client, bytes.length, more);
  await sendAll(client, created, bytes);
  return { ...created, ...(await complete(client, created)) };
}

export async function jobsOf(videoId: string): Promise<{ id: string; source_etag: string }[]> {
  const { results } = await env.DB.prepare('SELECT id, source_etag FROM jobs WHERE video_id = ?')
    .bind(videoId)
    .all<{ id: string; source_etag: string }>();
  return results;
}

export async function storedKeys(prefix: string): Promise<string[]> {
  return (await env.MEDIA.list({ prefix })).objects.map((object) => object.key);
}

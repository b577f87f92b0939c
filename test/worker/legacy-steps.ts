// What clients of the older API do, under settings of one's own.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test';
import { expect } from 'vitest';
import { MIB } from '../../shared/limits.ts';
import { createApp } from '../../worker/app.ts';
import { clipBytes, type Form, formOf } from '../support/legacy-form.ts';
import { ORIGIN, signJwt } from './api-client.ts';
import type { Api } from './api-under.ts';

export const UPLOAD = '/api/v1/video/upload-hls-video';
export const CONVERT = '/api/v1/video/convert-existing-video';
export const STATUS = '/api/v1/video/processing-status';
export const CLIP = clipBytes(50_000);
export const PART_BYTES = 8 * MIB;
export const app = createApp();

export const send = (api: Api, form: Form, headers: Record<string, string> = {}) =>
  api.ask('POST', UPLOAD, { body: form.body, headers: { ...form.headers, ...headers } });

/** A form that comes in pieces, once what stands between them has happened, and does not tell its length. */
export async function stream(
  api: Api,
  { headers }: Form,
  pieces: (Uint8Array | Error | Promise<void>)[],
): Promise<Response> {
  const context = createExecutionContext();
  const token = await signJwt({ ownerId: api.ownerId, role: 'uploader' });
  const source = {
    async pull(controller: ReadableStreamDefaultController) {
      let piece = pieces.shift();
      if (piece instanceof Promise) piece = (await piece) ?? pieces.shift();
      if (piece === undefined) controller.close();
      else if (piece instanceof Error) controller.error(piece);
      else controller.enqueue(piece);
    },
  };
  // Nothing is taken from the pieces before it is asked for.
  const body = new ReadableStream(source, { highWaterMark: 0 });
  const init = { method: 'POST', headers: { ...headers, Authorization: `Bearer ${token}` }, body };
  const answer = await app.request(ORIGIN + UPLOAD, init as never, api.settings, context as never);
  await waitOnExecutionContext(context);
  return answer;
}

export async function jobIdOf(answer: Response): Promise<string> {
  const json = (await answer.json()) as { job_id: string };
  expect(answer.status, JSON.stringify(json)).toBe(200);
  return json.job_id;
}

export async function rowsOf(
  ownerId: string,
): Promise<{ state: string; size_bytes: number; object_key: string }[]> {
  const sql = 'SELECT state, size_bytes, object_key FROM uploads WHERE owner_id = ?';
  return (await env.DB.prepare(sql).bind(ownerId).all()).results as never;
}

export function convert(
  api: Api,
  type: string,
  id: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const form = formOf([
    { name: 'content_type', value: type },
    { name: 'content_id', value: id },
  ]);
  return api.ask('POST', CONVERT, { body: form.body, headers: { ...form.headers, ...headers } });
}

export async function originOf(
  jobId: string,
): Promise<{ bucket_key: string | null; url: string | null } | null> {
  return env.DB.prepare('SELECT bucket_key, url FROM imports WHERE job_id = ?').bind(jobId).first();
}

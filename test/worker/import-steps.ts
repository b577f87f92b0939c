// A transcoder that imports: what it tells the ledger, and parts that it puts where it was told.
import { expect } from 'vitest';
import type { CreatedImport, Job, Video } from '../../shared/api.ts';
import type { Claim, ImportBegin, ImportTarget } from '../../shared/messages.ts';
import type { Client } from './api-client.ts';
import { clientOf } from './api-client.ts';
import { env, mustClaim, told } from './ledger-fixtures.ts';

export const URL_OF_FILM = 'https://media.example.com/films/holiday%20film.mp4?signature=geheim';

export type Importing = CreatedImport & { client: Client; held: Claim };

/** An import that a transcoder has just claimed; nothing else may be ready. */
export async function importAtWork(more: object = { url: URL_OF_FILM }): Promise<Importing> {
  const client = await clientOf('admin');
  const created = await client.json<CreatedImport>(202, 'POST', '/v1/imports', { json: more });
  const held = await mustClaim();
  expect(held.task).toMatchObject({ jobId: created.jobId, name: 'import', kind: 'import', mark: 0 });
  return { ...created, client, held };
}

export function begin(held: Claim, file: ImportBegin): Promise<ImportTarget> {
  return told<ImportTarget>('import/begin', held.jobToken, file);
}

/** Puts and commits the parts from `first` on, up to `last`. */
export async function sendParts(
  held: Claim,
  target: ImportTarget,
  bytes: Uint8Array<ArrayBuffer>,
  first = 1,
  last = Math.ceil(bytes.length / target.partSizeBytes),
): Promise<void> {
  const multipart = env.MEDIA.resumeMultipartUpload(held.job.source.key, target.r2UploadId);
  for (let number = first; number <= last; number++) {
    const part = bytes.subarray((number - 1) * target.partSizeBytes, number * target.partSizeBytes);
    const { etag } = await multipart.uploadPart(number, part);
    await told('commit', held.jobToken, { mark: number, part: { etag, sizeBytes: part.length } });
  }
}

export async function videoOf({ client, videoId }: Importing): Promise<Video> {
  return client.json<Video>(200, 'GET', `/v1/videos/${videoId}`);
}

export async function jobOf({ client, jobId }: Importing): Promise<Job> {
  return client.json<Job>(200, 'GET', `/v1/jobs/${jobId}`);
}

export async function uploadRow({ videoId }: { videoId: string }): Promise<Record<string, unknown>> {
  const row = await env.DB.prepare('SELECT * FROM uploads WHERE video_id = ? ORDER BY rowid DESC')
    .bind(videoId)
    .first();
  return row ?? {};
}

export async function partCount({ videoId }: { videoId: string }): Promise<number> {
  const sql =
    'SELECT count(*) AS n FROM upload_parts WHERE upload_id IN (SELECT id FROM uploads WHERE video_id = ?)';
  return (await env.DB.prepare(sql).bind(videoId).first<{ n: number }>())?.n ?? 0;
}

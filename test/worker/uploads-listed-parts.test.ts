// A presigned upload where storage tells which parts it holds: a client that has lost its etags loses nothing.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { CompletedUpload, CreatedUpload, UploadStatus } from '../../shared/api.ts';
import { LISTING_ENDPOINT } from '../support/s3-stand-in.ts';
import { sha256Of } from '../support/sha256.ts';
import { type Api, apiUnder } from './api-under.ts';
import {
  jobsOf,
  multipartOf,
  partNumbers,
  partOf,
  putPresigned,
  sizeFor,
  storedKeys,
  videoBytes,
} from './upload-steps.ts';

const SIZE = sizeFor('presigned');
const bytes = videoBytes(SIZE);

describe('a presigned upload whose parts storage lists', () => {
  it('shows and completes what storage holds, though nothing was reported', async () => {
    const api = await listing();
    const created = await begun(api);
    await putAndTell(created, 1);
    await putAndTell(created, 3);
    expect(await statusOf(api, created)).toMatchObject({
      receivedBytes: SIZE - created.partSizeBytes,
      parts: [{ number: 1, sizeBytes: created.partSizeBytes }, { number: 3 }],
    });
    const early = await api.ask('POST', pathOf(created, '/complete'), { json: {} });
    expect(await early.json()).toMatchObject({ code: 'upload_parts_missing', missing: [2] });

    await putAndTell(created, 2);
    const { jobId } = await completed(api, created);
    expect((await jobsOf(created.videoId)).map(({ id }) => id)).toEqual([jobId]);
    const [key] = await storedKeys(`sources/${created.videoId}/`);
    expect(await sha256Of(await (await env.MEDIA.get(key!))!.arrayBuffer())).toBe(await sha256Of(bytes));
  });

  it('is asked for page after page', async () => {
    const api = await listing();
    const created = await begun(api);
    for (const number of partNumbers(created)) await putAndTell(created, number);
    await fetch(`${LISTING_ENDPOINT}/listings`);
    expect((await statusOf(api, created)).parts.map(({ number }) => number)).toEqual([1, 2, 3]);
    const listings = await (await fetch(`${LISTING_ENDPOINT}/listings`)).json<string[]>();
    expect(listings.map((query) => new URLSearchParams(query).get('part-number-marker'))).toEqual([
      null,
      '2',
    ]);
  });

  it('believes storage more than a report of a part that never arrived, or of another etag', async () => {
    const api = await listing();
    const created = await begun(api);
    for (const number of [1, 3]) await putAndTell(created, number);
    for (const number of [1, 2]) await report(api, created, number, `"wrong-${number}"`);
    const { parts } = await statusOf(api, created);
    expect(parts.map(({ number }) => number)).toEqual([1, 3]);
    expect(parts[0]?.etag).not.toContain('wrong');
    const early = await api.ask('POST', pathOf(created, '/complete'), { json: {} });
    expect(await early.json()).toMatchObject({ code: 'upload_parts_missing', missing: [2] });
    await putAndTell(created, 2);
    await completed(api, created);
  });

  it('refuses an etag in the completion that storage does not have', async () => {
    const api = await listing();
    const created = await begun(api);
    for (const number of partNumbers(created)) await putAndTell(created, number);
    const { parts } = await statusOf(api, created);
    const right = parts.map(({ number, etag }) => ({ number, etag: `"${etag}"` }));
    const wrong = right.with(1, { number: 2, etag: '"wrong"' });
    const refused = await api.ask('POST', pathOf(created, '/complete'), { json: { parts: wrong } });
    expect(await refused.json()).toMatchObject({ code: 'upload_part_etag_mismatch' });
    await completed(api, created, right);
  });

  it('leaves a part of another size out', async () => {
    const api = await listing();
    const created = await begun(api);
    await putAndTell(created, 1);
    await tell(created, 2, 'some-etag', 17);
    expect((await statusOf(api, created)).parts.map(({ number }) => number)).toEqual([1]);
  });

  it('is told to wait while storage does not answer, and goes by the reports where storage knows it no more', async () => {
    const api = await listing();
    const created = await begun(api);
    for (const number of partNumbers(created)) {
      await report(api, created, number, await putPresigned(created, number, partOf(bytes, created, number)));
    }
    const { r2_upload_id: known } = await rowOf(created);
    await setR2UploadId(created, '500 InternalError');
    const failed = await api.ask('GET', pathOf(created));
    expect(failed.headers.get('Retry-After')).toBe('2');
    expect(await failed.json()).toMatchObject({ code: 'storage_unavailable' });

    await setR2UploadId(created, known);
    expect((await statusOf(api, created)).receivedBytes).toBe(SIZE);
    await completed(api, created);
  });

  it.each(['501 NotImplemented', '405 MethodNotAllowed', '403 AccessDenied'])(
    'goes by the reports from then on where storage says %s',
    async (answer) => {
      // An endpoint of its own: that it does not list is remembered.
      const api = await listing(`${LISTING_ENDPOINT}/${answer.slice(0, 3)}`);
      const created = await begun(api);
      const etag = await putPresigned(created, 1, partOf(bytes, created, 1));
      await report(api, created, 1, etag);
      const { r2_upload_id: known } = await rowOf(created);
      await setR2UploadId(created, answer);
      await fetch(`${LISTING_ENDPOINT}/listings`);
      expect((await statusOf(api, created)).parts.map((part) => part.etag)).toEqual([etag]);
      expect((await statusOf(api, created)).parts).toHaveLength(1);
      const asked = await (await fetch(`${LISTING_ENDPOINT}/listings`)).json<string[]>();
      // The client of S3 repeats what a server failed at; the second status asked nobody.
      expect(new Set(asked).size).toBe(1);
      expect(asked.length).toBeLessThanOrEqual(3);
      await setR2UploadId(created, known);
    },
  );
});

function listing(endpoint = LISTING_ENDPOINT): Promise<Api> {
  return apiUnder({ R2_S3_ENDPOINT: endpoint });
}

function pathOf({ uploadId }: CreatedUpload, rest = ''): string {
  return `/v1/uploads/${uploadId}${rest}`;
}

async function begun(api: Api): Promise<CreatedUpload> {
  const json = { filename: 'a.mp4', sizeBytes: SIZE, method: 'presigned' };
  return (await api.ask('POST', '/v1/uploads', { json })).json();
}

async function putAndTell(created: CreatedUpload, number: number): Promise<void> {
  const part = partOf(bytes, created, number);
  await tell(created, number, await putPresigned(created, number, part), part.length);
}

async function tell(created: CreatedUpload, number: number, etag: string, sizeBytes: number): Promise<void> {
  const { uploadId } = await multipartOf(created);
  const query = new URLSearchParams({ uploadId, partNumber: String(number) });
  const headers = { 'X-Etag': etag, 'X-Size': String(sizeBytes) };
  await fetch(`${LISTING_ENDPOINT}/?${query}`, { method: 'PUT', headers });
}

async function report(api: Api, created: CreatedUpload, number: number, etag: string): Promise<void> {
  await api.ask('PUT', pathOf(created, `/parts/${number}/etag`), { json: { etag } });
}

async function statusOf(api: Api, created: CreatedUpload): Promise<UploadStatus> {
  const response = await api.ask('GET', pathOf(created));
  expect(response.status).toBe(200);
  return response.json();
}

async function completed(api: Api, created: CreatedUpload, parts?: object[]): Promise<CompletedUpload> {
  const response = await api.ask('POST', pathOf(created, '/complete'), { json: parts ? { parts } : {} });
  expect(response.status).toBe(200);
  return response.json();
}

async function rowOf({ uploadId }: CreatedUpload): Promise<{ r2_upload_id: string }> {
  const row = await env.DB.prepare('SELECT r2_upload_id FROM uploads WHERE id = ?').bind(uploadId).first();
  return row as { r2_upload_id: string };
}

async function setR2UploadId({ uploadId }: CreatedUpload, r2UploadId: string): Promise<void> {
  await env.DB.prepare('UPDATE uploads SET r2_upload_id = ? WHERE id = ?').bind(r2UploadId, uploadId).run();
}

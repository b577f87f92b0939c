// How long an upload waits for its next byte.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { CreatedUpload } from '../../shared/api.ts';
import { DAY_SECONDS, HOUR_SECONDS } from '../../shared/limits.ts';
import { type Client, clientOf } from './api-client.ts';
import { begin, patch, tus } from './tus-steps.ts';
import { create, partOf, sendPart, sizeFor, statusOf, videoBytes } from './upload-steps.ts';

const SIZE = sizeFor('multipart');
const BYTES = videoBytes(SIZE);

describe.each(['multipart', 'presigned'] as const)('the time of a %s upload', (method) => {
  it('begins anew with each part that is stored, not with one that is refused', async () => {
    const client = await clientOf();
    const created = await create(client, SIZE, { method });
    expect(await secondsLeft(client, created)).toBeGreaterThan(23 * HOUR_SECONDS);
    await set(created, 'expires_at = unixepoch() + 100');
    await client.call('PUT', `/v1/uploads/${created.uploadId}/parts/1`, { body: BYTES.subarray(0, 5) });
    expect(await secondsLeft(client, created)).toBeLessThan(101);
    await sendPart(client, created, 1, partOf(BYTES, created, 1));
    expect(await secondsLeft(client, created)).toBeGreaterThan(23 * HOUR_SECONDS);
  });

  it('ends a week after the creation whatever comes', async () => {
    const client = await clientOf();
    const created = await create(client, SIZE, { method });
    const age = 7 * DAY_SECONDS - HOUR_SECONDS;
    await set(created, `created_at = unixepoch() - ${age}, expires_at = unixepoch() + 100`);
    await sendPart(client, created, 1, partOf(BYTES, created, 1));
    const left = await secondsLeft(client, created);
    expect(left).toBeGreaterThan(HOUR_SECONDS - 60);
    expect(left).toBeLessThanOrEqual(HOUR_SECONDS);
  });
});

it('the time of a presigned upload begins anew when URLs are asked for: its parts come unheard', async () => {
  const client = await clientOf();
  const created = await create(client, SIZE, { method: 'presigned' });
  await set(created, 'expires_at = unixepoch() + 100');
  await client.json(200, 'POST', `/v1/uploads/${created.uploadId}/parts`, { json: { numbers: [2] } });
  expect(await secondsLeft(client, created)).toBeGreaterThan(23 * HOUR_SECONDS);
  await set(created, 'expires_at = unixepoch() + 100');
  await client.call('POST', `/v1/uploads/${created.uploadId}/parts`, { json: { numbers: [4] } });
  expect(await secondsLeft(client, created)).toBeLessThan(101);
});

describe('the time of a tus upload', () => {
  it('is an hour while nothing has come, and a day from each byte on', async () => {
    const client = await clientOf();
    const path = await begin(client, SIZE);
    const left = async (response: Promise<Response>) => {
      const { headers } = await response;
      return (Date.parse(headers.get('Upload-Expires') ?? '') - Date.now()) / 1000;
    };
    expect(await left(tus(client, 'HEAD', path))).toBeLessThanOrEqual(HOUR_SECONDS + 1);
    const empty = patch(client, path, 0, new Uint8Array());
    expect(await left(empty)).toBeLessThanOrEqual(HOUR_SECONDS + 1);
    expect(await left(patch(client, path, 0, BYTES.subarray(0, 1)))).toBeGreaterThan(23 * HOUR_SECONDS);
    expect(await left(tus(client, 'HEAD', path))).toBeGreaterThan(23 * HOUR_SECONDS);
  });

  it('is a day at once when the first bytes came with the creation', async () => {
    const client = await clientOf();
    const headers = {
      ...{ 'Tus-Resumable': '1.0.0', 'Upload-Length': String(SIZE) },
      'Content-Type': 'application/offset+octet-stream',
    };
    const created = await client.call('POST', '/v1/tus', { headers, body: BYTES.subarray(0, 10) });
    const expires = Date.parse(created.headers.get('Upload-Expires') ?? '');
    expect((expires - Date.now()) / 1000).toBeGreaterThan(23 * HOUR_SECONDS);
  });
});

async function secondsLeft(client: Client, created: CreatedUpload): Promise<number> {
  return (Date.parse((await statusOf(client, created)).expiresAt) - Date.now()) / 1000;
}

function set({ uploadId }: CreatedUpload, assignments: string): Promise<unknown> {
  return env.DB.prepare(`UPDATE uploads SET ${assignments} WHERE id = ?`).bind(uploadId).run();
}

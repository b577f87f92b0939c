// Several clients at one part: one of them writes, whoever comes and however often.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CreatedUpload, UploadedPart } from '../../shared/api.ts';
import { SECOND_MS } from '../../shared/limits.ts';
import { createApp } from '../../worker/app.ts';
import type { Env } from '../../worker/env.ts';
import { beginCompletion, partsOf, replaceParts, uploadOf } from '../../worker/uploads/store.ts';
import { sha256Of } from '../support/sha256.ts';
import { type Client, clientOf, codeOf, ORIGIN, signJwt } from './api-client.ts';
import {
  complete,
  create,
  jobsOf,
  multipartOf,
  partOf,
  sendPart,
  sizeFor,
  statusOf,
  storedKeys,
  videoBytes,
} from './upload-steps.ts';

const CLIENTS = 4;
const SMALL = 4000;

type Method = 'single' | 'multipart';

const app = createApp();

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each([
  ['multipart', 50],
  ['single', 5],
] as const)('four clients at one part of a %s upload', (method, races) => {
  it('are let in one at a time, time and again, and the bytes are those of the one', async () => {
    const client = await clientOf();
    for (let race = 0; race < races; race++) {
      const created = await create(client, SMALL, { method });
      const variants = Array.from({ length: CLIENTS }, (_, index) => videoOf(index + 1));
      const writers = await Promise.all(variants.map((bytes) => openPut(client, created, bytes)));
      // Nobody's body ends before three have been told to come back.
      await refusals(writers, CLIENTS - 1);
      for (const writer of writers) writer.finish();
      const answers = await Promise.all(writers.map(({ answer }) => answer));

      const winner = answers.findIndex(({ ok }) => ok);
      for (const [index, answer] of answers.entries()) {
        if (index === winner) continue;
        expect(answer.headers.get('Retry-After')).toBe('1');
        expect(await codeOf(answer)).toBe('upload_part_in_progress');
      }
      const { jobId } = await complete(client, created);
      expect((await jobsOf(created.videoId)).map(({ id }) => id)).toEqual([jobId]);
      expect(await storedSha256(created)).toBe(await sha256Of(variants[winner]!));
    }
  });
});

it('a completion whose parts were replaced by an older list is not begun', async () => {
  const client = await clientOf();
  const created = await create(client, SMALL, { method: 'multipart' });
  await sendPart(client, created, 1, videoOf(1));
  const { ownerId } = client;
  const upload = await uploadOf(env.DB, created.uploadId, ownerId);
  const parts = await partsOf(env.DB, created.uploadId);
  await replaceParts(env.DB, upload, []);
  expect(await beginCompletion(env.DB, upload)).toBe(false);
  await replaceParts(env.DB, upload, parts);
  expect(await beginCompletion(env.DB, upload)).toBe(true);
});

describe('a part that another request is writing', () => {
  it('holds the completion up until it is written', async () => {
    const client = await clientOf();
    const created = await create(client, SMALL, { method: 'multipart' });
    await sendPart(client, created, 1, videoOf(1));
    const writer = await openPut(client, created, videoOf(2));
    const path = `/v1/uploads/${created.uploadId}/complete`;
    expect(await client.code('POST', path, { json: {} })).toBe('upload_part_in_progress');
    writer.finish();
    expect((await writer.answer).status).toBe(200);
    await complete(client, created);
    expect(await storedSha256(created)).toBe(await sha256Of(videoOf(2)));
  });

  it('can be sent again when its writer went away in the middle', async () => {
    const client = await clientOf();
    const created = await create(client, SMALL, { method: 'multipart' });
    const writer = await openPut(client, created, videoOf(1));
    writer.leave();
    expect(await codeOf(await writer.answer)).toBe('upload_part_size_mismatch');
    await sendPart(client, created, 1, videoOf(2));
    await complete(client, created);
    expect(await storedSha256(created)).toBe(await sha256Of(videoOf(2)));
  });

  it('can be sent again when the Worker died with it, and that one writes no more should it live', async () => {
    const client = await clientOf();
    const created = await create(client, SMALL, { method: 'multipart' });
    const zombie = await openPut(client, created, videoOf(1));
    const path = `/v1/uploads/${created.uploadId}/parts/1`;
    expect(await client.code('PUT', path, { body: videoOf(2) })).toBe('upload_part_in_progress');
    await env.DB.prepare('UPDATE part_claims SET lease_until = unixepoch() WHERE upload_id = ?')
      .bind(created.uploadId)
      .run();
    expect(await client.code('PUT', path, { body: videoOf(2) })).toBe('status 200');

    const later = Date.now() + 20 * SECOND_MS;
    vi.spyOn(Date, 'now').mockReturnValue(later);
    zombie.finish();
    expect(await codeOf(await zombie.answer)).toBe('upload_part_in_progress');
    await complete(client, created);
    expect(await storedSha256(created)).toBe(await sha256Of(videoOf(2)));
  });

  it('is not kept from other parts, nor the upload from being aborted', async () => {
    const client = await clientOf();
    const size = sizeFor('multipart');
    const bytes = videoBytes(size);
    const created = await create(client, size, { method: 'multipart' });
    const writer = await openPut(client, created, partOf(bytes, created, 1));
    await sendPart(client, created, 2, partOf(bytes, created, 2));
    await client.json(204, 'DELETE', `/v1/uploads/${created.uploadId}`);
    writer.finish();
    expect(await codeOf(await writer.answer)).toBe('upload_not_open');
    expect(await statusOf(client, created)).toMatchObject({ state: 'aborted', parts: [] });
  });
});

describe('a part that is held already', () => {
  it('is not stored again with the checksum it has, and is with another or none', async () => {
    const client = await clientOf();
    const created = await create(client, SMALL, { method: 'multipart' });
    const put = async (bytes: Uint8Array<ArrayBuffer>, hasDigest = true) => {
      const headers: Record<string, string> = {};
      if (hasDigest) headers['Content-Digest'] = await contentDigest(bytes);
      const path = `/v1/uploads/${created.uploadId}/parts/1`;
      return client.json<UploadedPart>(200, 'PUT', path, { body: bytes, headers });
    };
    const first = await put(videoOf(1));
    expect(await put(videoOf(1))).toEqual(first);
    // The simulator gives each stored part an etag of its own.
    const second = await put(videoOf(2));
    expect(second.etag).not.toBe(first.etag);
    const third = await put(videoOf(3), false);
    expect(third.etag).not.toBe(second.etag);
    await complete(client, created);
    expect(await storedSha256(created)).toBe(await sha256Of(videoOf(3)));
  });

  it('is stored again whatever its checksum once storage has refused it', async () => {
    const client = await clientOf();
    const created = await create(client, SMALL, { method: 'multipart' });
    const path = `/v1/uploads/${created.uploadId}`;
    const headers = { 'Content-Digest': await contentDigest(videoOf(1)) };
    const put = () => client.json(200, 'PUT', `${path}/parts/1`, { body: videoOf(1), headers });
    await put();
    // A writer that died between storage and ledger.
    await (await multipartOf(created)).uploadPart(1, videoOf(2));
    expect(await client.code('POST', `${path}/complete`, { json: {} })).toBe('upload_part_etag_mismatch');
    await put();
    await complete(client, created);
    expect(await storedSha256(created)).toBe(await sha256Of(videoOf(1)));
  });
});

function videoOf(fill: number): Uint8Array<ArrayBuffer> {
  return videoBytes(SMALL).fill(fill, 1000);
}

async function contentDigest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return `sha-256=:${btoa(String.fromCharCode(...digest))}:`;
}

async function storedSha256({ videoId }: CreatedUpload): Promise<string> {
  const [key] = await storedKeys(`sources/${videoId}/`);
  return sha256Of(await (await env.MEDIA.get(key!))!.arrayBuffer());
}

type OpenPut = { answer: Promise<Response>; isRefused: Promise<void>; finish(): void; leave(): void };

/** A PUT whose body stops half-way until it is told to go on; resolves when the Worker reads it or has answered. */
async function openPut(
  client: Client,
  { uploadId, method }: { uploadId: string; method: string },
  bytes: Uint8Array<ArrayBuffer>,
): Promise<OpenPut> {
  const rest = (method as Method) === 'single' ? 'content' : 'parts/1';
  const half = Math.floor(bytes.length / 2);
  const isRead = Promise.withResolvers<void>();
  let source!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        source = controller;
      },
      pull: (controller) => {
        controller.enqueue(bytes.subarray(0, half));
        isRead.resolve();
        return new Promise(() => undefined);
      },
    },
    { highWaterMark: 0 },
  );
  const request = new Request(`${ORIGIN}/v1/uploads/${uploadId}/${rest}`, {
    method: 'PUT',
    headers: {
      Authorization: `Bearer ${await signJwt({ ownerId: client.ownerId })}`,
      'Content-Length': String(bytes.length),
    },
    body,
  });
  const context = createExecutionContext();
  const answer = Promise.resolve(app.request(request, undefined, env as Env, context as never)).then(
    async (response) => {
      await waitOnExecutionContext(context);
      return response;
    },
  );
  const isRefused = answer.then((response) => {
    if (response.ok) throw new Error('answered before its body had ended');
  });
  isRefused.catch(() => undefined);
  await Promise.race([isRead.promise, answer]);
  return {
    answer,
    isRefused,
    finish: () => {
      try {
        source.enqueue(bytes.subarray(half));
        source.close();
      } catch {
        // Refused: nobody reads it any more.
      }
    },
    leave: () => source.error(new Error('the client is gone')),
  };
}

/** Resolves when `count` of the writers have been refused. */
function refusals(writers: OpenPut[], count: number): Promise<void> {
  let refused = 0;
  return new Promise((resolve, reject) => {
    for (const { isRefused } of writers) {
      isRefused.then(() => {
        refused += 1;
        if (refused === count) resolve();
      }, reject);
    }
  });
}

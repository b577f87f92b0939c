// The typed client against the real Worker. Its types are held by the compiler: this file compiles or it does not.
import { SELF } from 'cloudflare:test';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { Video } from '../../shared/api.ts';
import { createReelay, ReelayError } from '../../shared/client/reelay.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { ORIGIN, signJwt } from './api-client.ts';
import { shown } from './public-fixtures.ts';

const inWorkerd = (request: Request) => SELF.fetch(request as never) as unknown as Promise<Response>;

async function clientFor(ownerId = `owner-${crypto.randomUUID()}`, fetch = inWorkerd) {
  const token = () => signJwt({ ownerId, role: 'admin' });
  return createReelay({ baseUrl: `${ORIGIN}/`, token, fetch });
}

async function failureOf(call: Promise<unknown>): Promise<ReelayError> {
  const failure = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(ReelayError);
  return failure as ReelayError;
}

describe('the typed client', () => {
  it('uploads a file and reads its video, each answer typed by its schema', async () => {
    const reelay = await clientFor();
    const bytes = new Uint8Array(64);
    bytes.set([0, 0, 0, 16, ...new TextEncoder().encode('ftypisom')]);
    const upload = await reelay.call('POST /v1/uploads', {
      body: { filename: 'a.mp4', sizeBytes: 64, method: 'single', video: { title: 'A film' } },
    });
    const params = { id: upload.uploadId };
    expect(
      await reelay.call('PUT /v1/uploads/{id}/content', {
        params,
        body: bytes,
        headers: { 'Content-Length': '64' },
      }),
    ).toBeUndefined();
    const { jobId } = await reelay.call('POST /v1/uploads/{id}/complete', { params });
    const video = await reelay.call('GET /v1/videos/{id}', { params: { id: upload.videoId } });
    expectTypeOf(video).toEqualTypeOf<Video>();
    expect([video.title, video.job?.id]).toEqual(['A film', jobId]);
  });

  it('plays', async () => {
    const { id, ownerId } = await shown();
    const reelay = await clientFor(ownerId);
    const playing = await reelay.call('POST /v1/videos/{id}/play', { params: { id } });
    expectTypeOf(playing).toEqualTypeOf<PlayAnswer>();
    const [, token = '', key = ''] = /\/p\/([^/]+)\/(.+)$/.exec(playing.hls ?? '') ?? [];
    const master = await reelay.call('GET /p/{token}/{key}', { params: { token, key } });
    expect(await master.text()).toMatch(/^#EXTM3U/);
  });

  it('takes a request for what its schema takes, and nothing else', () => {
    const reelay = createReelay({ baseUrl: ORIGIN });
    const wrong = [
      // @ts-expect-error: there is no such call
      () => reelay.call('POST /v1/nothing'),
      // @ts-expect-error: the id is missing
      () => reelay.call('GET /v1/videos/{id}', {}),
      // @ts-expect-error: a title is text
      () => reelay.call('PATCH /v1/videos/{id}', { params: { id: 'x' }, body: { title: 7 } }),
      // @ts-expect-error: there is no such state
      () => reelay.call('GET /v1/videos', { query: { state: 'gone' } }),
    ];
    expect(wrong).toHaveLength(4);
  });

  it('throws what the problem says', async () => {
    const reelay = await clientFor();
    const failure = await failureOf(reelay.call('GET /v1/videos/{id}', { params: { id: 'none' } }));
    expect([failure.code, failure.status, failure.detail]).toEqual([
      'not_found',
      404,
      'There is no such video.',
    ]);
    expect(failure.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(failure.mayPass).toBe(false);
  });

  it('goes through the pages of a list', async () => {
    const { ownerId } = await shown();
    for (let count = 0; count < 4; count++) await shown({ ownerId });
    const reelay = await clientFor(ownerId);
    const titles: string[] = [];
    for await (const video of reelay.all('GET /v1/videos', { query: { limit: 2 } })) titles.push(video.title);
    expect(titles).toEqual(Array.from({ length: 5 }, () => 'A film'));
  });

  it('tries again under one key where the answer was lost, and the work is done once', async () => {
    let lost = 0;
    const keys: (string | null)[] = [];
    const losing = async (request: Request) => {
      keys.push(request.headers.get('Idempotency-Key'));
      const answer = await inWorkerd(request);
      if (lost++ > 0) return answer;
      await answer.text();
      throw new TypeError('connection lost');
    };
    const ownerId = `owner-${crypto.randomUUID()}`;
    const reelay = await clientFor(ownerId, losing);
    const upload = await reelay.call('POST /v1/uploads', { body: { filename: 'a.mp4', sizeBytes: 64 } });
    expect(new Set(keys).size).toBe(1);
    expect(keys).toHaveLength(2);
    const made: string[] = [];
    for await (const { id } of (await clientFor(ownerId)).all('GET /v1/videos')) made.push(id);
    expect(made).toEqual([upload.videoId]);
  });

  it('does not try again what was refused', async () => {
    let calls = 0;
    const counting = (request: Request) => {
      calls++;
      return inWorkerd(request);
    };
    const reelay = await clientFor(undefined, counting);
    const failure = await failureOf(
      reelay.call('POST /v1/uploads', { body: { filename: 'a.mp4', sizeBytes: 0 } }),
    );
    expect([failure.code, calls]).toEqual(['upload_empty', 1]);
  });
});

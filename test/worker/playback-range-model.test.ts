// Generated requests against a model of RFC 9110 that knows nothing of our code. `npm run bench -- ranges` asks ten
// times as many over HTTP, and nginx beside us.
import { env } from 'cloudflare:test';
import { expect, test } from 'vitest';
import { randomOf } from '../support/random.ts';
import { faultOf, type ModelAnswer, modelAnswer, randomRequest } from '../support/range-model.ts';
import { bytesOf, fetchMedia, playToken, publishVideo } from './playback-fixtures.ts';

const REQUESTS = 2000;
const SEED = 9110;
const SIZES = [0, 1, 1000, 64 * 1024, 5 * 2 ** 20 + 1];
/** Of the whole 5 MiB a few are enough here: comparing them is what takes the time. */
const TURNS = [0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 4];

test(`${REQUESTS} generated requests are answered as RFC 9110 says`, async () => {
  const video = await publishVideo();
  const token = await playToken(video);
  const objects = await Promise.all(
    SIZES.map(async (sizeBytes, index) => {
      const key = `${video.prefix}stream_480p_00${index}.m4s`;
      const bytes = bytesOf(sizeBytes);
      await env.MEDIA.put(key, bytes);
      const head = await fetchMedia(token, key, { method: 'HEAD' });
      const etag = head.headers.get('ETag')!;
      return {
        key,
        bytes,
        model: { sizeBytes, etag, lastModified: new Date(head.headers.get('Last-Modified')!) },
      };
    }),
  );
  const random = randomOf(SEED);
  const faults: string[] = [];
  const seen = new Map<ModelAnswer['status'], number>();
  for (let turn = 0; turn < REQUESTS; turn++) {
    const { key, bytes, model } = objects[TURNS[turn % TURNS.length]!]!;
    const asked = randomRequest(random, model);
    const { status } = modelAnswer(asked, model);
    seen.set(status, (seen.get(status) ?? 0) + 1);
    const response = await fetchMedia(token, key, asked);
    const body = new Uint8Array(await response.arrayBuffer());
    const fault = await faultOf(asked, model, bytes, {
      status: response.status,
      headers: response.headers,
      body,
    });
    if (fault) faults.push(fault);
  }
  expect(faults).toEqual([]);
  // The generator reaches every answer there is, each often.
  for (const status of [200, 206, 304, 412, 416] as const) expect(seen.get(status)).toBeGreaterThan(50);
});

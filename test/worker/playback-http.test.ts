import { env, SELF } from 'cloudflare:test';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { CACHEABLE_BYTES, openMedia } from '../../worker/playback/edge-cache.ts';
import {
  bytesOf,
  fetchMedia,
  mediaUrl,
  outcome,
  type PublishedVideo,
  playToken,
  publishVideo,
} from './playback-fixtures.ts';

const SIZES = [0, 1, 1000, 64 * 1024 + 1];
const objects = new Map<number, { key: string; bytes: Uint8Array }>();
let video: PublishedVideo;
let token: string;
let segment: string;

beforeAll(async () => {
  video = await publishVideo();
  token = await playToken(video);
  segment = `${video.prefix}stream_240p_000.m4s`;
  for (const [index, sizeBytes] of SIZES.entries()) {
    const key = `${video.prefix}stream_480p_00${index}.m4s`;
    objects.set(sizeBytes, { key, bytes: bytesOf(sizeBytes) });
    await env.MEDIA.put(key, bytesOf(sizeBytes));
  }
});

async function get(key: string, headers: Record<string, string> = {}, method = 'GET') {
  const response = await fetchMedia(token, key, { method, headers });
  return { response, body: new Uint8Array(await response.arrayBuffer()) };
}

/** As `toEqual`, which takes a second for 64 KiB. */
function isSame(got: Uint8Array, wanted: Uint8Array): boolean {
  return got.byteLength === wanted.byteLength && got.every((byte, index) => byte === wanted[index]);
}

describe('the request log', () => {
  test('tells of media that was not served, and of none that was', async () => {
    const lines: string[] = [];
    const logged = vi.spyOn(console, 'info').mockImplementation((line) => void lines.push(line));
    const requests = () => lines.filter((line) => line.includes('http.request'));
    expect((await get(segment)).response.status).toBe(200);
    expect(requests()).toEqual([]);
    expect((await get(`${video.prefix}stream_240p_999.m4s`)).response.status).toBe(404);
    logged.mockRestore();
    expect(requests()).toHaveLength(1);
  });
});

describe('ranges over HTTP', () => {
  const headersFor = (sizeBytes: number) => [
    `bytes=0-0`,
    `bytes=0-`,
    `bytes=-1`,
    `bytes=-${sizeBytes + 5}`,
    `bytes=1-3`,
    `bytes=${Math.max(0, sizeBytes - 1)}-`,
    `bytes=${sizeBytes}-`,
    `bytes=0-${sizeBytes * 2}`,
    'bytes=-0',
    'bytes=5-2',
    'bytes=0-1,3-4',
    'bytes=x-',
  ];

  // Twice: the first pass reads R2, the second what the first left in the edge cache.
  test.each(
    SIZES.flatMap((size) => [
      { sizeBytes: size, from: 'from R2' },
      { sizeBytes: size, from: 'from the cache' },
    ]),
  )(
    'of an object of $sizeBytes bytes, from $from, are the bytes named, counted right',
    async ({ sizeBytes }) => {
      const { key, bytes } = objects.get(sizeBytes)!;
      for (const range of headersFor(sizeBytes)) {
        const { response, body } = await get(key, { Range: range });
        const answer = `${range} of ${sizeBytes}: ${response.status} ${response.headers.get('Content-Range')}`;
        const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
        const isWhole =
          first === undefined || (first && last && +last < +first) || (!first && !sizeBytes && last !== '0');
        const start = first ? Number(first) : Math.max(0, sizeBytes - Number(last));
        const end = first && last ? Math.min(Number(last) + 1, sizeBytes) : sizeBytes;
        if (isWhole) {
          expect(answer).toBe(`${range} of ${sizeBytes}: 200 null`);
          expect(isSame(body, bytes)).toBe(true);
        } else if (start >= end) {
          expect(answer).toBe(`${range} of ${sizeBytes}: 416 bytes */${sizeBytes}`);
          expect(response.headers.get('Cache-Control')).toBe('no-store');
          expect(JSON.parse(new TextDecoder().decode(body))).toMatchObject({ code: 'range_not_satisfiable' });
        } else {
          expect(answer).toBe(`${range} of ${sizeBytes}: 206 bytes ${start}-${end - 1}/${sizeBytes}`);
          expect(isSame(body, bytes.subarray(start, end))).toBe(true);
          expect(response.headers.get('Content-Length')).toBe(String(end - start));
        }
      }
    },
  );

  test('If-Range lets the range stand for the object the client knows, and no other', async () => {
    const { response: whole } = await get(segment);
    const etag = whole.headers.get('ETag')!;
    const modified = whole.headers.get('Last-Modified')!;
    const statuses: number[] = [];
    for (const ifRange of [
      etag,
      modified,
      '"another"',
      `W/${etag}`,
      'Tue, 01 Jan 2019 00:00:00 GMT',
      'soon',
    ]) {
      const { response } = await get(segment, { Range: 'bytes=0-9', 'If-Range': ifRange });
      statuses.push(response.status);
    }
    expect(statuses).toEqual([206, 206, 200, 200, 200, 200]);
  });

  test('an object too large to hold is read from R2 in blocks, byte for byte', async () => {
    const key = `${video.prefix}stream_480p_900.m4s`;
    const sizeBytes = CACHEABLE_BYTES + 10;
    const bytes = new Uint8Array(sizeBytes);
    bytes.set([1, 2, 3, 4, 5], sizeBytes - 5);
    await env.MEDIA.put(key, bytes);
    const { response, body } = await get(key, { Range: 'bytes=-5' });
    expect(response.status).toBe(206);
    expect(response.headers.get('Content-Range')).toBe(
      `bytes ${sizeBytes - 5}-${sizeBytes - 1}/${sizeBytes}`,
    );
    expect([...body]).toEqual([1, 2, 3, 4, 5]);
  });
});

describe('conditional requests', () => {
  test('answer 304 without a body to a client that has the object', async () => {
    const { response: whole } = await get(segment);
    const etag = whole.headers.get('ETag')!;
    const cases: [Record<string, string>, number][] = [
      [{ 'If-None-Match': etag }, 304],
      [{ 'If-None-Match': `"x", W/${etag}` }, 304],
      [{ 'If-None-Match': '*' }, 304],
      [{ 'If-None-Match': '"x"' }, 200],
      [{ 'If-Modified-Since': whole.headers.get('Last-Modified')! }, 304],
      [{ 'If-Modified-Since': 'Tue, 01 Jan 2019 00:00:00 GMT' }, 200],
      [{ 'If-Modified-Since': 'yesterday' }, 200],
      // If-None-Match outranks If-Modified-Since, and both outrank Range.
      [{ 'If-None-Match': '"x"', 'If-Modified-Since': whole.headers.get('Last-Modified')! }, 200],
      [{ 'If-None-Match': etag, Range: 'bytes=0-1' }, 304],
      [{ 'If-None-Match': '"x"', Range: 'bytes=0-1' }, 206],
    ];
    for (const [headers, expected] of cases) {
      const { response, body } = await get(segment, headers);
      expect({ ...headers, status: response.status }).toEqual({ ...headers, status: expected });
      expect(response.headers.get('ETag')).toBe(etag);
      if (expected === 304) expect(body.byteLength).toBe(0);
    }
  });

  test('refuse with 412 what was meant for another object', async () => {
    const { response: whole } = await get(segment);
    const etag = whole.headers.get('ETag')!;
    for (const [headers, expected] of [
      [{ 'If-Match': etag }, '200'],
      [{ 'If-Match': '*' }, '200'],
      [{ 'If-Match': '"x"' }, '412 precondition_failed'],
      [{ 'If-Match': `W/${etag}` }, '412 precondition_failed'],
      [{ 'If-Unmodified-Since': whole.headers.get('Last-Modified')! }, '200'],
      [{ 'If-Unmodified-Since': 'Tue, 01 Jan 2019 00:00:00 GMT' }, '412 precondition_failed'],
    ] as [Record<string, string>, string][]) {
      const response = await fetchMedia(token, segment, { headers });
      expect([headers, await outcome(response)]).toEqual([headers, expected]);
    }
  });
});

describe('headers', () => {
  test('HEAD says what GET says and sends nothing, whatever the range', async () => {
    const { response: got } = await get(segment);
    const ranges: Record<string, string>[] = [{}, { Range: 'bytes=0-9' }];
    for (const headers of ranges) {
      const { response: head, body } = await get(segment, headers, 'HEAD');
      expect(head.status).toBe(200);
      expect(body.byteLength).toBe(0);
      for (const name of [
        'Content-Length',
        'Content-Type',
        'ETag',
        'Last-Modified',
        'Accept-Ranges',
        'Cache-Control',
      ]) {
        expect([name, head.headers.get(name)]).toEqual([name, got.headers.get(name)]);
      }
    }
  });

  test('name the type, allow every page and keep copies private, unchanged and for long', async () => {
    const types: [string, string][] = [
      ['master.m3u8', 'application/vnd.apple.mpegurl'],
      ['manifest.mpd', 'application/dash+xml'],
      ['stream_240p_000.m4s', 'video/iso.segment'],
      ['poster.jpg', 'image/jpeg'],
      ['preview.webp', 'image/webp'],
      ['storyboard.vtt', 'text/vtt; charset=utf-8'],
    ];
    for (const [name, type] of types) {
      const { response, body } = await get(video.prefix + name, { 'Accept-Encoding': 'gzip, br' });
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'content-type': type,
        'content-length': String(body.byteLength),
        'accept-ranges': 'bytes',
        'cache-control': 'private, max-age=31536000, immutable, no-transform',
        'access-control-allow-origin': '*',
        'access-control-expose-headers': 'Content-Length, Content-Range, ETag',
        'cross-origin-resource-policy': 'cross-origin',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      });
      expect(response.headers.get('Content-Encoding')).toBeNull();
    }
  });

  test('of errors let a page read them too', async () => {
    const refused = await fetchMedia('v1.k1.AA.AA', segment);
    expect(refused.headers.get('Access-Control-Allow-Origin')).toBe('*');
    expect(refused.headers.get('Cache-Control')).toBe('no-store');
    expect(await outcome(refused)).toBe('403 playback_token_invalid');
  });

  test('of a preflight allow Range and the four CMCD headers', async () => {
    const preflight = await SELF.fetch(mediaUrl(token, segment), {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://page.test',
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': 'range',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('Access-Control-Allow-Origin')).toBe('*');
    const allowed = preflight.headers.get('Access-Control-Allow-Headers')!.split(', ');
    expect(allowed).toEqual(
      expect.arrayContaining(['Range', 'CMCD-Object', 'CMCD-Request', 'CMCD-Session', 'CMCD-Status']),
    );
  });

  test.each(['POST', 'PUT', 'DELETE', 'PATCH'])('refuse %s and say what is allowed', async (method) => {
    const response = await fetchMedia(token, segment, { method });
    expect(response.headers.get('Allow')).toBe('GET, HEAD, OPTIONS');
    expect(await outcome(response)).toBe('405 method_not_allowed');
  });
});

test('storage that does not answer is a 503 to be tried again, never a cached failure', async () => {
  const broken = { get: async () => Promise.reject(new Error('get: disk on fire')) } as unknown as R2Bucket;
  const store = { cache: caches.default, ttlSeconds: 60, waitUntil: () => {} };
  const key = `${video.prefix}stream_480p_901.m4s`;
  await expect(openMedia(key, { ...store, bucket: broken })).rejects.toMatchObject({
    code: 'storage_unavailable',
    status: 503,
    retryAfterSeconds: expect.any(Number),
  });
  await expect(openMedia(key, { ...store, bucket: env.MEDIA })).rejects.toMatchObject({ code: 'not_found' });
});

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createR2, type R2 } from '../../transcoder/r2.ts';

const CREDENTIALS = { accessKeyId: 'test-access-key', secretAccessKey: 'test-secret-key' };
const text = (value: string) => new TextEncoder().encode(value);

describe('against R2 as wrangler serves it', () => {
  let miniflare: Miniflare;
  let endpoint: string;
  let r2: R2;

  beforeAll(async () => {
    miniflare = new Miniflare(
      convertV4MiniflareOptions({
        workers: [
          {
            name: 'storage',
            modules: true,
            script: 'export default { fetch() { return new Response(null, { status: 404 }) } }',
            compatibilityDate: '2026-08-01',
            r2Buckets: { MEDIA: { id: 'media', s3Credentials: CREDENTIALS } },
          },
        ],
      }),
    );
    endpoint = new URL('/cdn-cgi/local/r2/s3', await miniflare.ready).href;
    r2 = createR2({ endpoint, bucket: 'media', ...CREDENTIALS });
  });
  afterAll(() => miniflare.dispose());

  test('stores an object once and gives back the same bytes', async () => {
    const bytes = new Uint8Array(5 * 2 ** 20).map((_, index) => index % 251);
    expect(await r2.putOnce('once/a', bytes, 'video/mp4')).toBe('stored');
    expect(await r2.putOnce('once/a', text('other'), 'video/mp4')).toBe('exists');
    expect(Buffer.compare(await r2.get('once/a'), bytes)).toBe(0);
    const binding = await miniflare.getR2Bucket('MEDIA');
    const stored = await binding.head('once/a');
    expect(stored?.httpMetadata?.contentType).toBe('video/mp4');
    expect(await r2.head('once/a')).toEqual({ sizeBytes: bytes.length, etag: stored?.etag });
  });

  test('lets one of many racing writers win', async () => {
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, index) => r2.putOnce('race/a', text(`writer ${index}`), 'text/plain')),
    );
    expect(results.filter((result) => result === 'stored')).toHaveLength(1);
  });

  test('stores an object part by part, and nothing where a part cannot be had', async () => {
    const partBytes = 5 * 2 ** 20;
    const bytes = Buffer.alloc(2 * partBytes + 1000, '0123456789abcdefg');
    const inParts = async function* (count: number) {
      for (let at = 0; at < count * partBytes; at += partBytes) yield bytes.subarray(at, at + partBytes);
      if (count < 3) throw new Error('the rest is missing');
    };
    await expect(r2.putParts('parts/a', inParts(2), 'video/mp4')).rejects.toThrow('the rest is missing');
    expect(await r2.head('parts/a')).toBeUndefined();
    await r2.putParts('parts/a', inParts(3), 'video/mp4');
    expect(Buffer.compare(await r2.get('parts/a'), bytes)).toBe(0);
    const binding = await miniflare.getR2Bucket('MEDIA');
    expect((await binding.head('parts/a'))?.httpMetadata?.contentType).toBe('video/mp4');
  });

  test('reads ranges while the etag is the one expected', async () => {
    await r2.putOnce('range/a', text('0123456789'), 'text/plain');
    const { etag } = (await r2.head('range/a'))!;
    expect(Buffer.from(await r2.getRange('range/a', 3, 4, etag)).toString()).toBe('3456');
    expect(Buffer.from(await r2.getRange('range/a', 9, 1, `"${etag}"`)).toString()).toBe('9');
    expect(await r2.getRange('range/a', 3, 0, etag)).toHaveLength(0);
    const other = createHash('md5').update('other').digest('hex');
    await expect(r2.getRange('range/a', 3, 4, other)).rejects.toMatchObject({ code: 'source_changed' });
  });

  test('takes a source that is gone or shorter for changed', async () => {
    await r2.putOnce('range/b', text('0123456789'), 'text/plain');
    const { etag } = (await r2.head('range/b'))!;
    await expect(r2.getRange('range/none', 0, 4, etag)).rejects.toMatchObject({ code: 'source_changed' });
    await expect(r2.getRange('range/b', 8, 4, etag)).rejects.toMatchObject({ code: 'source_changed' });
    await expect(r2.getRange('range/b', 10, 4, etag)).rejects.toMatchObject({ code: 'source_changed' });
    await expect(r2.getRange('range/b', 6, 4, etag)).resolves.toHaveLength(4);
  });

  test('puts parts of a multipart upload that the Worker has opened', async () => {
    const bucket = await miniflare.getR2Bucket('MEDIA');
    const upload = await bucket.createMultipartUpload('parts/a');
    const parts = [new Uint8Array(5 * 2 ** 20).fill(1), text('the end')];
    const stored = [];
    for (const [index, bytes] of parts.entries()) {
      const etag = await r2.uploadPart('parts/a', upload.uploadId, index + 1, bytes);
      stored.push({ partNumber: index + 1, etag });
    }
    await upload.complete(stored);
    expect(Buffer.compare(await r2.get('parts/a'), Buffer.concat(parts))).toBe(0);
    const late = r2.uploadPart('parts/a', upload.uploadId, 3, text('late'));
    await expect(late).rejects.toMatchObject({ code: 'upload_not_open' });
  });

  test('tells what is not there', async () => {
    await r2.putOnce('there/a', text('x'), 'text/plain');
    expect(await r2.head('there/none')).toBeUndefined();
    expect(await r2.head('there/a')).toBeDefined();
    await expect(r2.get('there/none')).rejects.toMatchObject({ code: 'not_found' });
    await expect(r2.get('there/a')).resolves.toHaveLength(1);
  });

  test('lists everything under a prefix', async () => {
    await Promise.all(['a', 'b', 'c/d'].map((name) => r2.putOnce(`list/${name}`, text(name), 'text/plain')));
    await r2.putOnce('listing', text('no'), 'text/plain');
    const listed = await r2.list('list/');
    expect(listed.map(({ key, sizeBytes }) => [key, sizeBytes])).toEqual([
      ['list/a', 1],
      ['list/b', 1],
      ['list/c/d', 3],
    ]);
    expect(listed[0]?.etag).toBe((await r2.head('list/a'))?.etag);
  });

  test('is refused with the wrong secret, and says storage did not answer', async () => {
    await r2.putOnce('secret/a', text('x'), 'text/plain');
    const stranger = createR2({ endpoint, bucket: 'media', ...CREDENTIALS, secretAccessKey: 'wrong' });
    await expect(stranger.get('secret/a')).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  test('is refused when the bytes are not those that were signed', async () => {
    const { port, hostname } = new URL(endpoint);
    const relay = createTcpServer((client) => {
      const upstream = connect(Number(port), hostname);
      client.on('data', (data) => {
        upstream.write(Buffer.from(data.toString('latin1').replace('damage me', 'damaged!!'), 'latin1'));
      });
      upstream.pipe(client);
      client.on('close', () => upstream.destroy()).on('error', () => upstream.destroy());
      upstream.on('error', () => client.destroy());
    }).listen(0, '127.0.0.1');
    await once(relay, 'listening');
    const relayed = new URL(endpoint);
    relayed.port = String((relay.address() as AddressInfo).port);
    const timing = { retryDelaysMs: [] };
    const damaging = createR2({ endpoint: relayed.href, bucket: 'media', ...CREDENTIALS }, timing);
    await expect(damaging.putOnce('sound', text('leave me'), 'text/plain')).resolves.toBe('stored');
    const refused = damaging.putOnce('damaged', text('damage me'), 'text/plain');
    await expect(refused).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(await r2.head('damaged')).toBeUndefined();
    relay.close();
  });
});

describe('when storage has a bad day', () => {
  // Silence must end in time for the test, and an answer on a busy machine must not pass for silence.
  const timing = { retryDelaysMs: [1, 1, 1, 1, 1], idleTimeoutMs: 3000 };
  const access = (endpoint: string) => ({ endpoint, bucket: 'media', ...CREDENTIALS });

  /** Answers each request by the next of `steps`, and by the last one from then on. */
  async function storage(...steps: ((response: ServerResponse, request: IncomingMessage) => void)[]) {
    const seen: IncomingMessage[] = [];
    const endpoint = await standIn((request, response) => {
      seen.push(request);
      request.resume();
      request.on('end', () => steps[Math.min(seen.length, steps.length) - 1]!(response, request));
    });
    return { r2: createR2(access(endpoint), timing), seen };
  }

  const status = (code: number) => (response: ServerResponse) => {
    response.writeHead(code, { 'content-type': 'application/xml' });
    response.end(`<Error><Code>E${code}</Code></Error>`);
  };
  const whole = (response: ServerResponse) => {
    response.writeHead(200, { 'content-length': 5, etag: '"etag"' });
    response.end('bytes');
  };
  const stall = (response: ServerResponse) => {
    response.writeHead(200, { 'content-length': 5, etag: '"etag"' });
    response.write('by');
  };
  const silence = () => undefined;
  const cut = (response: ServerResponse) => {
    stall(response);
    setTimeout(() => response.destroy(), 20);
  };

  test.each([
    ['a 500', status(500)],
    ['a 503', status(503)],
    ['a 429', status(429)],
    ['a dropped connection', (response: ServerResponse) => void response.destroy()],
    ['a body that ends early', cut],
    ['a body that stalls', stall],
    ['silence', silence],
  ])('a read goes on after %s', async (_name, fault) => {
    const { r2, seen } = await storage(fault, whole);
    expect(Buffer.from(await r2.getRange('key', 0, 5, 'etag')).toString()).toBe('bytes');
    expect(seen).toHaveLength(2);
  });

  test('a read gives up after five further attempts', async () => {
    const { r2, seen } = await storage(status(503));
    await expect(r2.get('key')).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(seen).toHaveLength(6);
  });

  test('a refusal is not asked again', async () => {
    const { r2, seen } = await storage(status(404));
    await expect(r2.get('key')).rejects.toMatchObject({ code: 'not_found' });
    expect(seen).toHaveLength(1);
  });

  test('a write goes on after a 503 and says what it stores', async () => {
    const { r2, seen } = await storage(status(503), (response) =>
      response.writeHead(200, { etag: '"e"' }).end(),
    );
    expect(await r2.putOnce('key', text('bytes'), 'video/mp4')).toBe('stored');
    expect(seen).toHaveLength(2);
    const sha256 = createHash('sha256').update('bytes');
    const { headers } = seen[1]!;
    expect(headers['if-none-match']).toBe('*');
    expect(headers['x-amz-content-sha256']).toBe(sha256.copy().digest('hex'));
    expect(headers['x-amz-checksum-sha256']).toBe(sha256.copy().digest('base64'));
    expect(headers['content-type']).toBe('video/mp4');
    expect(headers.expect).toBeUndefined();
    expect(headers['content-encoding']).toBeUndefined();
  });

  test('a write whose answer was lost finds its object there', async () => {
    const { r2 } = await storage((response) => void response.destroy(), status(412));
    expect(await r2.putOnce('key', text('bytes'), 'video/mp4')).toBe('exists');
  });

  test('lists page after page', async () => {
    const page = (key: string, more: string) => (response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'application/xml' });
      const contents = `<Contents><Key>${key}</Key><Size>7</Size><ETag>"e"</ETag></Contents>`;
      response.end(`<?xml version="1.0"?><ListBucketResult>${contents}${more}</ListBucketResult>`);
    };
    const isTruncated = '<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>';
    const { r2, seen } = await storage(page('a', isTruncated), page('b', '<IsTruncated>false</IsTruncated>'));
    expect(await r2.list('')).toEqual([
      { key: 'a', sizeBytes: 7, etag: 'e' },
      { key: 'b', sizeBytes: 7, etag: 'e' },
    ]);
    expect(seen[1]?.url).toContain('continuation-token=next');
  });
});

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function standIn(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

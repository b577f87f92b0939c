import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type Server as HttpServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';
import fc from 'fast-check';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { GIB, MIB } from '../../shared/limits.ts';
import { apiAt } from '../support/api.ts';
import { CHROMIUM, launchBrowser } from '../support/browser.ts';
import { makeFolder } from '../support/media.ts';
import { startStack } from '../support/stack.ts';
import { DIFFERENCES } from '../support/tus-differences.ts';
import { fileOf, liveTwice, sentenceOf } from '../support/tus-lockstep.ts';
import { serveUploadPage, UPLOADS, type UploadPage } from '../support/tus-page.ts';
import { lives } from '../support/tus-sequences.ts';

// Clients and a server that nobody here wrote, against the real local stack.

const hasBrowser = existsSync(CHROMIUM);
/** Two whole parts and a bit. */
const file = fileOf(17 * MIB + 4321);

let stack: Awaited<ReturnType<typeof startStack>>;
let page: UploadPage;
beforeAll(async () => {
  page = await serveUploadPage(file);
  // The page's origin has to be known before the Worker starts: CORS names exact origins.
  stack = await startStack({ transcoders: 0, env: { CORS_ORIGINS: page.origin } });
  page.connect(stack.url, await stack.token('uploader'));
});
afterAll(async () => {
  await page?.close();
  await stack?.stop();
});

describe.skipIf(!hasBrowser)('a page in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser?.close();
  });

  it.each([
    ['tus-js-client', 3 * MIB, 4 * MIB],
    ['@uppy/tus', 3 * MIB, 4 * MIB],
    ['@uppy/aws-s3', 8 * MIB, 12 * MIB],
  ] as const)(
    'uploads with %s, is paused in the middle and goes on to the very bytes',
    async (client, chunkSize, pauseAt) => {
      const token = await stack.token('uploader');
      const tab = await browser.newPage();
      await tab.goto(page.origin);
      const choices = { api: stack.url, token, chunkSize, pauseAt };
      const outcome = (await tab.evaluate(`${UPLOADS[client]}(${JSON.stringify(choices)})`)) as Outcome;
      await tab.close();

      expectResumed(client, outcome.log);
      const api = apiAt(stack.url, token);
      const source = await api.request(`/v1/videos/${outcome.videoId}/source`);
      expect(source.status).toBe(200);
      expect(sha256(new Uint8Array(await source.arrayBuffer()))).toBe(sha256(file));
      const video = await api.call(`/v1/videos/${outcome.videoId}`);
      expect(video).toMatchObject({ state: 'processing', job: { state: 'queued' } });
    },
  );

  type Outcome = { videoId: string; log: [method: string, status: number | null, offset: string | null][] };

  /** It asked where to go on, and sent nothing again that it had an answer for. */
  function expectResumed(client: keyof typeof UPLOADS, log: Outcome['log']): void {
    if (client === '@uppy/aws-s3') {
      expect(log.filter(([method]) => method === 'GET')).toHaveLength(1);
      expect(log.filter(([method, number]) => method === 'PUT' && number === 1)).toHaveLength(1);
      return;
    }
    const heads = log.filter(([method]) => method === 'HEAD');
    expect(heads.length).toBeGreaterThan(0);
    // Until a busy server has noticed that a connection is gone, it tells to ask once more where to go on.
    const answers = log.filter(([, status]) => status !== 409 && status !== 423);
    const failures = answers.filter(([, status]) => status !== null && status >= 400);
    const offsets = answers.flatMap(([method, , offset]) => (method === 'POST' ? [] : [Number(offset)]));
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    expect(failures).toEqual([]);
  }
});

describe('a client that hangs up in the middle of a body', () => {
  it('finds what it had sent', async () => {
    const headers = { Authorization: `Bearer ${await stack.token('uploader')}`, 'Tus-Resumable': '1.0.0' };
    const creation = { method: 'POST', headers: { ...headers, 'Upload-Length': String(file.length) } };
    const url = new URL((await fetch(`${stack.url}/v1/tus`, creation)).headers.get('location')!, stack.url);
    const offset = async () =>
      Number((await fetch(url, { method: 'HEAD', headers })).headers.get('upload-offset'));
    const sentBytes = 2 * MIB + 5;
    const sending = request(url, {
      method: 'PATCH',
      headers: {
        ...headers,
        'Content-Type': 'application/offset+octet-stream',
        'Upload-Offset': '0',
        'Content-Length': String(file.length),
      },
    });
    const hungUp = new Promise((resolve) => sending.on('error', resolve));
    sending.write(file.subarray(0, sentBytes));
    // Whole rows show while they come in; the rest is kept when the connection is gone.
    await vi.waitFor(async () => expect(await offset()).toBe(2 * MIB), { timeout: 60_000, interval: 200 });
    sending.destroy(new Error('hung up'));
    await hungUp;
    await vi.waitFor(async () => expect(await offset()).toBe(sentBytes), { timeout: 60_000, interval: 200 });
  });
});

describe('the reference server', () => {
  /** A fixed seed: what a failure shows can be had again, and the table's every row is met within 43 lives. */
  const SEED = 20261120;
  const LIVES = Number(process.env.TUS_LIVES ?? 48);

  let folder: string;
  let reference: HttpServer;

  beforeAll(async () => {
    folder = await makeFolder('tus-reference');
    const tus = new Server({
      path: '/files',
      datastore: new FileStore({ directory: folder, expirationPeriodInMilliseconds: 24 * 3600_000 }),
      maxSize: 900 * GIB,
      disableTerminationForFinishedUploads: true,
    });
    reference = createServer((incoming, response) => void tus.handle(incoming, response));
    await new Promise<void>((resolve) => reference.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    reference?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it(`answers ${LIVES} generated lives of an upload as we do, but for the differences in the table`, async () => {
    const { port } = reference.address() as AddressInfo;
    const servers = {
      ours: {
        endpoint: `${stack.url}/v1/tus`,
        headers: { Authorization: `Bearer ${await stack.token('uploader')}` },
      },
      theirs: { endpoint: `http://127.0.0.1:${port}/files`, headers: {} },
    };
    const met = new Set<string>();
    const surprises: string[] = [];
    for (const life of fc.sample(lives, { numRuns: LIVES, seed: SEED })) {
      for (const parting of await liveTwice(servers, life)) {
        const known = DIFFERENCES.find((difference) => difference.isIt(parting));
        if (known) met.add(known.what);
        else surprises.push(sentenceOf(parting));
      }
    }
    expect(surprises).toEqual([]);
    // A row that nothing meets would hide a difference that comes back.
    expect([...met].sort()).toEqual(DIFFERENCES.map(({ what }) => what).sort());
  });
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

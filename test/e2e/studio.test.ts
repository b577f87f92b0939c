import { existsSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Page, Request } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, apiAt } from '../support/api.ts';
import { CHROMIUM, launchBrowser, openPage } from '../support/browser.ts';
import { makeClip, makeFolder } from '../support/media.ts';
import { startStack } from '../support/stack.ts';
import { graveViolations, openStudio } from '../support/studio-page.ts';
import { metricsCases } from './studio-metrics.ts';
import { roomCases } from './studio-rooms.ts';
import { videoCases } from './studio-video.ts';

// The studio as a person uses it, on one stack and in one Chromium. Other parts of the studio have their cases in a
// file beside this one, which exports a function that registers them: `xyzCases(() => ({ api, browser }))`. It is
// called at the end of this file, and opens and closes pages of its own.

const MIB = 1024 * 1024;
/** What the uploader sends in one request. */
const CHUNK_BYTES = 8 * MIB;
const TITLE = 'An upload with a reload in it';

let stack: Awaited<ReturnType<typeof startStack>>;
let browser: Browser;
let api: Api;
let file: string;
/** Of webhooks; says yes to all. */
let receiver: Server;

async function largeClip(folder: string): Promise<string> {
  const path = await makeClip(join(folder, `${TITLE}.mp4`), { seconds: 2 });
  // A free box at the end: bytes that have to be sent and need no time to be made.
  const free = Buffer.alloc(CHUNK_BYTES + MIB);
  free.writeUInt32BE(free.length);
  free.write('free', 4);
  await appendFile(path, free);
  return path;
}

const hasBrowser = existsSync(CHROMIUM);

describe.skipIf(!hasBrowser)('the studio', () => {
  beforeAll(async () => {
    [stack, browser, file] = await Promise.all([
      startStack({ transcoders: 1, env: { WEBHOOK_ALLOW_LOOPBACK: 'on' } }),
      launchBrowser(),
      makeFolder('studio').then(largeClip),
    ]);
    api = apiAt(stack.url, await stack.token('admin', 'studio'));
    receiver = createServer((_request, response) => response.writeHead(204).end());
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  });

  afterAll(async () => {
    await browser?.close();
    receiver?.close();
    await stack?.stop();
  });

  it('signs in with a pasted token or a link, out of whose address the token goes', async () => {
    const page = await openPage(browser);
    await page.goto(`${stack.url}/`);
    const paste = async (token: string) => {
      await page.getByLabel('Token').fill(token);
      await page.getByRole('button', { name: 'Sign in' }).click();
    };
    await paste(`${api.token}x`);
    await page.getByRole('alert').waitFor();
    expect(await graveViolations(page)).toEqual([]);
    await paste(api.token);
    await page.getByRole('heading', { name: 'No videos yet' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();

    await page.goto(`${stack.url}/#token=${await stack.token('viewer', 'studio')}`);
    await page.getByRole('heading', { name: 'Library' }).waitFor();
    expect(new URL(page.url()).hash).toBe('#/library');
    expect(await page.getByRole('link', { name: 'Upload' }).count()).toBe(0);
    await page.close();
  });

  describe('an upload', () => {
    let page: Page;
    const asked: { method: string; offset: number; isAfterReload: boolean }[] = [];
    const events: { type: string; state: string; progress: number }[] = [];
    let hasReloaded = false;

    beforeAll(async () => {
      page = await openStudio(browser, api, 'upload');
      page.on('request', (request) => note(request));
      page.on('websocket', (socket) =>
        socket.on('framereceived', ({ payload }) => {
          if (String(payload) !== 'pong') events.push(JSON.parse(String(payload)));
        }),
      );
    });

    afterAll(() => page?.close());

    function note(request: Request): void {
      if (!request.url().includes('/v1/tus')) return;
      asked.push({
        method: request.method(),
        offset: offsetOf(request),
        isAfterReload: hasReloaded,
      });
    }

    it('is judged before a byte is sent, and goes on after a reload with what was not acknowledged', async () => {
      let holds = () => {};
      const held = new Promise<void>((resolve) => {
        holds = resolve;
      });
      // The second piece hangs in the network until the page is loaded again.
      await page.route('**/v1/tus/*', async (route) => {
        if (offsetOf(route.request()) > 0 && !hasReloaded) holds();
        else await route.continue();
      });
      await page.locator('input.uppy-Dashboard-input').first().setInputFiles(file);
      await page.getByText('Good to go').waitFor();
      expect(await page.locator('.upload-line').innerText()).toContain('MP4 · H.264 · 320×180 · 0:02');
      expect(asked).toEqual([]);
      expect(await graveViolations(page)).toEqual([]);

      await page.getByRole('button', { name: 'Upload 1 file' }).click();
      await held;
      hasReloaded = true;
      await page.reload();
      await page.getByText('We restored all files').waitFor();
      await page.getByRole('button', { name: 'Upload 1 file' }).click();
      await page.getByRole('link', { name: /^(Watch|To the video)$/ }).waitFor();
      const before = asked.filter(({ isAfterReload }) => !isAfterReload);
      expect(before.map(({ method, offset }) => [method, offset])).toEqual([
        ['POST', -1],
        ['PATCH', 0],
        ['PATCH', CHUNK_BYTES],
      ]);
      const after = asked.filter(({ isAfterReload }) => isAfterReload);
      expect(after.map(({ method, offset }) => [method, offset])).toEqual([
        ['HEAD', -1],
        ['PATCH', CHUNK_BYTES],
      ]);
    });

    it('is followed live until its video is ready', async () => {
      await page.locator('.upload-line').getByText('Ready', { exact: true }).waitFor({ timeout: 120_000 });
      const progress = events.map((event) => event.progress);
      expect(progress.length).toBeGreaterThan(1);
      expect(progress).toEqual(progress.toSorted((a, b) => a - b));
      expect(events.at(-1)).toMatchObject({ type: 'ready', state: 'succeeded' });
    });
  });

  it('shows the video in the library with its poster, and finds it', async () => {
    const page = await openStudio(browser, api);
    const card = page.locator('.video-card', { hasText: TITLE });
    const poster = card.locator('img');
    await poster.waitFor();
    const width = () => poster.evaluate((image) => (image as HTMLImageElement).naturalWidth);
    await expect.poll(width, { timeout: 30_000 }).toBeGreaterThan(0);
    expect(await card.innerText()).toMatch(/0:02[\s\S]*Ready/);
    expect(await graveViolations(page)).toEqual([]);
    await page.getByLabel('Search').fill('no film is called that');
    await page.getByRole('heading', { name: 'Nothing fits' }).waitFor();
    await page.getByLabel('Search').fill('with a reload');
    await card.waitFor();
    await page.getByLabel('State').selectOption('failed');
    await page.getByRole('heading', { name: 'Nothing fits' }).waitFor();
    await page.close();
  });

  it('shows the job with its tasks and times', async () => {
    const page = await openStudio(browser, api, 'jobs');
    const { jobs } = await api.call('/v1/jobs');
    expect(jobs).toHaveLength(1);
    await page.getByRole('link', { name: TITLE }).waitFor();
    expect(await graveViolations(page)).toEqual([]);
    await page.getByRole('link', { name: TITLE }).click();
    const tasks = page.locator('tbody tr');
    await tasks.first().waitFor();
    const { tasks: told } = await api.call(`/v1/jobs/${jobs[0].id}/tasks`);
    expect(await tasks.count()).toBe(told.length);
    expect(await tasks.first().innerText()).toContain('Look into the file');
    expect(await graveViolations(page)).toEqual([]);
    await page.close();
  });

  it('makes a webhook, shows its secret once, tests it and sends anew', async () => {
    const page = await openStudio(browser, api, 'webhooks');
    await page.getByRole('button', { name: 'Add an endpoint' }).click();
    await page.getByLabel('URL').fill(`http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`);
    await page.getByLabel('Description').fill('The website');
    await page.getByLabel('A video is ready').check();
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    const secret = await page.locator('.copy-box code').innerText();
    expect(secret).toMatch(/^whsec_/);
    expect(await graveViolations(page)).toEqual([]);
    await page.getByRole('button', { name: 'I have kept it' }).click();
    await page.getByRole('link', { name: 'The website' }).click();
    await page.getByRole('button', { name: 'Send a test' }).click();
    const delivery = page.locator('.delivery-list li', { hasText: 'webhook.ping' });
    await delivery.getByText('Answered 204').waitFor();
    await delivery.getByRole('button', { name: 'Details' }).click();
    await delivery.locator('pre').waitFor();
    const attempts = delivery.locator('.delivery-attempts li');
    expect(await attempts.count()).toBe(1);
    expect(await graveViolations(page)).toEqual([]);
    // The page looks until the attempt is there, however late: its first look is told nothing of it.
    let looks = 0;
    await page.route('**/deliveries', async (route) => {
      const response = await route.fetch();
      const json = await response.json();
      if (looks++ === 0) json.deliveries[0].attempts.length = 1;
      await route.fulfill({ response, json });
    });
    await delivery.getByRole('button', { name: 'Resend' }).click();
    await attempts.nth(1).waitFor();
    expect(await page.content()).not.toContain(secret);
    await page.close();
  });

  it('shows a migration item by item', async () => {
    const migration = await api.call('/v1/migrations', { method: 'POST', json: { name: 'The archive' } });
    const item = { key: '0'.repeat(32), kind: 'movie', source: 's3://archive/one.mp4', sizeBytes: 5_000_000 };
    await api.call(`/v1/migrations/${migration.id}/items`, { method: 'PUT', json: { items: [item] } });
    const page = await openStudio(browser, api, 'migrations');
    await page.getByRole('link', { name: 'The archive' }).click();
    await page.getByRole('cell', { name: 's3://archive/one.mp4' }).waitFor();
    expect(await page.locator('.item-counts').innerText()).toContain('1 waiting');
    expect(await graveViolations(page)).toEqual([]);
    await page.close();
  });

  it('deletes a video once that is confirmed', async () => {
    const page = await openStudio(browser, api);
    const bin = page.getByRole('button', { name: `Delete ${TITLE}` });
    await bin.click();
    await page.getByRole('button', { name: 'Keep it' }).click();
    expect((await api.call('/v1/videos')).videos).toHaveLength(1);
    await bin.click();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await page.getByRole('heading', { name: 'No videos yet' }).waitFor();
    expect((await api.call('/v1/videos')).videos).toEqual([]);
    await page.close();
  });

  videoCases(() => ({ api, browser }));
  metricsCases(() => ({ api, browser }));
  roomCases(() => ({ api, browser }));
});

function offsetOf(request: Request): number {
  return Number(request.headers()['upload-offset'] ?? -1);
}

import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../shared/log.ts';
import { parseIngestEnv } from '../../transcoder/ingest/env.ts';
import { startIngest } from '../../transcoder/ingest/server.ts';
import { type Api, apiAt, type Json, jobEnd } from '../support/api.ts';
import { legacyContract } from '../support/legacy-contract.ts';
import { CORPUS, makeClip, makeFolder } from '../support/media.ts';
import { startStack } from '../support/stack.ts';

// Every wrong file ends refused or failed, with a code of the table and a sentence; nothing leaks, nothing hangs.

let stack: Awaited<ReturnType<typeof startStack>>;
let api: Api;
let folder: string;
let ingest: Awaited<ReturnType<typeof startIngest>>;

beforeAll(async () => {
  folder = await makeFolder('bad');
  stack = await startStack({ transcoders: 1 });
  api = apiAt(stack.url, await stack.token('uploader'));
  ingest = await startIngest(parseIngestEnv({ REELAY_URL: stack.url, INGEST_PORT: '0' }), createLog());
});

afterAll(async () => {
  await ingest?.[Symbol.asyncDispose]();
  await stack?.stop();
});

type Ending = { outcome: 'ready' | 'refused'; code?: string; detail?: string; videoId?: string };

/** Uploads bytes by `single` and follows them to their end, wherever that is. */
async function endOf(bytes: Uint8Array, filename: string): Promise<Ending> {
  const creation = await api.request('/v1/uploads', {
    method: 'POST',
    json: { filename, sizeBytes: bytes.length, method: 'single', video: { preset: 'ultrafast' } },
  });
  const created: Json = await creation.json();
  if (!creation.ok) return { outcome: 'refused', code: created.code, detail: created.detail };
  await api.call(`/v1/uploads/${created.uploadId}/content`, { method: 'PUT', body: bytes as BodyInit });
  const completion = await api.request(`/v1/uploads/${created.uploadId}/complete`, {
    method: 'POST',
    json: {},
  });
  const completed: Json = await completion.json();
  if (!completion.ok) return { outcome: 'refused', code: completed.code, detail: completed.detail };
  const job = await jobEnd(api, completed.jobId);
  if (job.state === 'succeeded') return { outcome: 'ready', videoId: completed.videoId };
  return { outcome: 'refused', code: job.error?.code, detail: job.error?.detail, videoId: completed.videoId };
}

describe('a file that is no video', () => {
  it.each([
    ['a text file', Buffer.from('Dear diary, today I filmed nothing.\n'.repeat(40)), 'media_not_video'],
    ['an empty file', Buffer.alloc(0), 'upload_empty'],
  ])('%s is refused by name', async (_what, bytes, code) => {
    const ending = await endOf(bytes, 'clip.mp4');
    expect(ending).toMatchObject({ outcome: 'refused', code });
    expect(ending.detail).toMatch(/^[A-Z].*\.$/s);
  });

  it('a truncated MP4 fails as truncated while its whole twin is ready', async () => {
    const path = await makeClip(join(folder, 'whole.mp4'), { seconds: 4, bitrate: '2M' });
    await writeFile(join(folder, 'faststart.mp4'), '');
    const { ffmpeg } = await import('../support/media.ts');
    await ffmpeg(['-i', path, '-c', 'copy', '-movflags', '+faststart', join(folder, 'faststart.mp4')]);
    const whole = await readFile(join(folder, 'faststart.mp4'));
    const cut = whole.subarray(0, Math.floor(whole.length / 2));

    expect(await endOf(whole, 'whole.mp4')).toMatchObject({ outcome: 'ready' });
    const ending = await endOf(cut, 'cut.mp4');
    expect(ending).toMatchObject({ outcome: 'refused', code: 'media_truncated' });
    expect(ending.detail).toMatch(/\.$/);
  });
});

legacyContract('the ingest mode', async () => {
  const token = await stack.token('uploader', crypto.randomUUID());
  return {
    request: (method, path, { body, headers } = {}) =>
      fetch(`http://127.0.0.1:${ingest.port}${path}`, {
        method,
        headers: { Authorization: `Bearer ${token}`, ...headers },
        ...(body && { body }),
      }),
    api: (path) => apiAt(stack.url, token).request(path),
  };
});

describe.skipIf(!CORPUS)('every hostile file of the corpus', () => {
  // Loopback listener on the port the files name: a single connection is a failure.
  const hits: string[] = [];
  const canary = createServer((request, response) => {
    hits.push(request.url ?? '');
    response.end();
  });
  beforeAll(() => new Promise<void>((resolve) => canary.listen(18080, '127.0.0.1', resolve)));
  afterAll(() => {
    canary.close();
  });

  it('ends as its manifest says, within bounds, and contacts nobody', async () => {
    const manifest: Json = JSON.parse(await readFile(join(CORPUS!, 'manifest.json'), 'utf8'));
    const surprises: string[] = [];
    for (const entry of manifest.hostile as Json[]) {
      const bytes = await readFile(join(CORPUS!, entry.file));
      const ending = await endOf(bytes, entry.upload_name ?? entry.file.split('/').at(-1));
      const wanted = entry.expected.outcome;
      const isAsWanted =
        wanted === 'either' ||
        (wanted === 'transcodes' ? ending.outcome === 'ready' : ending.outcome === 'refused');
      const isExplained =
        ending.outcome === 'ready' ||
        (/^(media_|upload_)/.test(ending.code ?? '') && /\.$/.test(ending.detail ?? ''));
      if (!isAsWanted || !isExplained)
        surprises.push(`${entry.file}: wanted ${wanted}, got ${JSON.stringify(ending)}`);
    }
    expect(surprises).toEqual([]);
    expect(hits).toEqual([]);
  }, 400_000);
});

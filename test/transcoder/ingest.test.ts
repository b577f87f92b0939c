import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { receiveForm } from '../../shared/legacy-form.ts';
import { MIB } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import { parseIngestEnv } from '../../transcoder/ingest/env.ts';
import { type IngestServer, startIngest } from '../../transcoder/ingest/server.ts';
import { clipBytes, type Form, uploadForm } from '../support/legacy-form.ts';
import { startUploadStandIn, type UploadStandIn } from '../support/upload-stand-in.ts';

// What its contract cannot show: lost answers, back-pressure, clients that go, and the process itself. The contract
// runs on the real stack in test/e2e/bad-input.test.ts.

const MAIN = fileURLToPath(new URL('../../transcoder/main.ts', import.meta.url));
const UPLOAD = '/api/v1/video/upload-hls-video';
const PART_BYTES = 8 * MIB;
const FILE = clipBytes(2 * PART_BYTES + 1000);

let api: UploadStandIn;
let ingest: IngestServer;
beforeEach(async () => {
  api = await startUploadStandIn(FILE.length, PART_BYTES);
  ingest = await start({});
});
afterEach(async () => {
  await ingest[Symbol.asyncDispose]();
  await api.stop();
});

function start(settings: Record<string, string>): Promise<IngestServer> {
  const env = { REELAY_URL: api.url, INGEST_PORT: '0', ...settings };
  return startIngest(parseIngestEnv(env), createLog({ service: 'ingest' }));
}

const AUTHORIZED = { authorization: 'Bearer token' };

async function send(form: Form, headers: Record<string, string> = {}, port = ingest.port) {
  const answer = await fetch(`http://127.0.0.1:${port}${UPLOAD}`, {
    method: 'POST',
    headers: { ...AUTHORIZED, ...form.headers, ...headers },
    body: form.body,
  });
  return {
    status: answer.status,
    headers: answer.headers,
    json: (await answer.json()) as Record<string, unknown>,
  };
}

/** A form of which no more than the first bytes come until it is ended. */
function begin(form: Form, bytes: number, port = ingest.port) {
  const options = { port, method: 'POST', path: UPLOAD, headers: { ...AUTHORIZED, ...form.headers } };
  const request = httpRequest({
    ...options,
    headers: { ...options.headers, 'content-length': form.body.length },
  });
  const answered = once(request, 'response').catch(() => undefined);
  request.on('error', () => undefined);
  request.write(form.body.subarray(0, bytes));
  return { request, answered, finish: () => request.end(form.body.subarray(bytes)) };
}

const until = (condition: () => unknown) => expect.poll(condition, { timeout: 50_000, interval: 10 });

describe('a form on its way', () => {
  it('goes on over refused parts and lost answers, and every byte arrives once', async () => {
    api.fault = ({ kind, number, attempt }) => {
      if (attempt > 1) return undefined;
      if (kind === 'create' || kind === 'complete') return 'reply lost';
      if (kind === 'part' && number === 1) return { status: 503, code: 'storage_unavailable' };
      if (kind === 'part' && number === 2) return 'reply lost';
      return kind === 'part' ? 'cut' : undefined;
    };
    expect(await send(uploadForm(FILE, '7'))).toMatchObject({
      status: 200,
      json: { success: true, job_id: 'j' },
    });
    expect([...api.held.keys()]).toEqual([1, 2, 3]);
    const sizes = new Map(api.arrived.map(({ number, sizeBytes }) => [number, sizeBytes]));
    expect([...sizes]).toEqual([
      [1, PART_BYTES],
      [2, PART_BYTES],
      [3, 1000],
    ]);
    expect(api.mostAtOnce).toBe(1);
    // Both creations bear one key, so that they make one upload.
    expect(new Set(api.keys).size).toBe(1);
  });

  it('that is refused for good leaves no upload behind', async () => {
    api.fault = ({ kind, number }) =>
      kind === 'part' && number === 3 ? { status: 422, code: 'upload_part_size_mismatch' } : undefined;
    expect(await send(uploadForm(FILE, '7'))).toMatchObject({
      status: 422,
      json: { code: 'upload_part_size_mismatch' },
    });
    expect(api.count('abort')).toBe(1);
    expect(api.state).toBe('aborted');
  });

  it('whose client goes leaves no upload behind', async () => {
    const { request } = begin(uploadForm(FILE, '7'), PART_BYTES + 100_000);
    await until(() => api.held.has(1)).toBe(true);
    request.destroy();
    await until(() => api.state).toBe('aborted');
  });

  it('waits while storage is at a part: no more than that part is held', async () => {
    const form = uploadForm(FILE, '7');
    const pieces = Array.from({ length: Math.ceil(form.body.length / 65_536) }, (_, index) =>
      form.body.subarray(index * 65_536, (index + 1) * 65_536),
    );
    const stored = Promise.withResolvers<void>();
    let read = 0;
    const parts: number[] = [];
    const work = receiveForm(
      {
        contentType: form.headers['Content-Type'],
        contentLengthBytes: form.body.length,
        next: async () => pieces[read++],
      },
      { maxBytes: form.body.length, tooLarge: () => new Error('too large') as never },
      {
        open: async () => undefined,
        putPart: async (_number, bytes) => {
          parts.push(bytes.byteLength);
          await stored.promise;
        },
        finish: async (whole) => ({ jobId: String(whole.sizeBytes) }),
      },
      { add: () => undefined, hex: () => 'f'.repeat(64) },
    );
    await until(() => parts.length).toBe(1);
    const readSoFar = read;
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate);
    expect(read).toBe(readSoFar);
    expect(read * 65_536).toBeLessThan(PART_BYTES + 3 * 65_536);
    stored.resolve();
    expect(await work).toEqual({ jobId: String(FILE.length) });
    expect(parts).toEqual([PART_BYTES, PART_BYTES]);
  });
});

describe('the host', () => {
  it('takes as many forms at once as it may, and then says when to come back', async () => {
    await using narrow = await start({ INGEST_MAX_FORMS: '1' });
    const first = begin(uploadForm(FILE, '7'), 1000, narrow.port);
    await until(
      async () => (await (await fetch(`http://127.0.0.1:${narrow.port}/healthz`)).json()).forms,
    ).toBe(1);
    const refused = await send(uploadForm(FILE, '8'), {}, narrow.port);
    expect(refused).toMatchObject({ status: 429, json: { code: 'rate_limited', success: false } });
    expect(refused.headers.get('retry-after')).toBe('5');
    first.finish();
    const [response] = (await first.answered)!;
    expect(response.statusCode).toBe(200);
    response.resume();
    await once(response, 'end');
    expect((await send(uploadForm(FILE, '8'), {}, narrow.port)).status).toBe(200);
  });

  it('refuses a form that is larger than it takes, by name', async () => {
    await using narrow = await start({ INGEST_MAX_BYTES: String(FILE.length) });
    expect((await send(uploadForm(FILE, '7'), {}, narrow.port)).json.code).toBe('upload_too_large');
    expect(api.requests).toEqual([]);
    await using wide = await start({ INGEST_MAX_BYTES: String(FILE.length + 1000) });
    expect((await send(uploadForm(FILE, '7'), {}, wide.port)).status).toBe(200);
  });

  it('lets pages of the named origins send forms, and no others', async () => {
    await using open = await start({ CORS_ORIGINS: 'https://app.example.com' });
    const allowed = async (origin: string) => {
      const headers = { origin, 'access-control-request-method': 'POST' };
      const answer = await fetch(`http://127.0.0.1:${open.port}${UPLOAD}`, { method: 'OPTIONS', headers });
      return answer.headers.get('access-control-allow-origin');
    };
    expect(await allowed('https://app.example.com')).toBe('https://app.example.com');
    expect(await allowed('https://evil.example.com')).toBeNull();
  });

  it('answers nothing else', async () => {
    const answer = await fetch(`http://127.0.0.1:${ingest.port}/v1/videos`, { headers: AUTHORIZED });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ code: 'not_found' });
    expect(api.requests).toEqual([]);
  });
});

describe('the process', () => {
  const run = (args: string[], env: Record<string, string>) => {
    const child = spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env.PATH, ...env } });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    // At `exit` the last of its output may still be on the way.
    return { child, exited: once(child, 'close'), output: () => output };
  };

  it('runs as `ingest` without ffmpeg, queue or secret, and ends when it is told to', async () => {
    const { child, exited, output } = run(['ingest'], { REELAY_URL: api.url, INGEST_PORT: '0' });
    await until(output).toContain('ingest.started');
    const { port } = JSON.parse(output().split('\n')[0]!) as { port: number };
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    child.kill('SIGTERM');
    expect((await exited)[0]).toBe(0);
    expect(output()).toContain('ingest.stopped');
  });

  it('names what is wrong with its configuration, and ends', async () => {
    const { exited, output } = run(['ingest'], { INGEST_PORT: 'many' });
    expect((await exited)[0]).toBe(1);
    for (const name of ['REELAY_URL', 'INGEST_PORT']) expect(output()).toContain(name);
  });
});

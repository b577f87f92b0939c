import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureSecrets, homeAt } from '../../local/home.ts';
import { MIB } from '../../shared/limits.ts';
import { createApiClient } from '../../transcoder/cli/api-client.ts';
import { barLine, formatBytes } from '../../transcoder/cli/progress-bar.ts';
import { UploadInterrupted, uploadFile } from '../../transcoder/cli/upload-file.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reelay-cli-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

type Ended = { code: number; stdout: string; stderr: string };

function reelay(args: string[], env: Record<string, string>): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...env } };
    execFile(process.execPath, ['transcoder/cli/reelay.mjs', ...args], options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

describe('reelay token', () => {
  it('prints a token of the local stack and nothing else', async () => {
    const secrets = await ensureSecrets(homeAt(folder));
    const { code, stdout, stderr } = await reelay(['token', '--role', 'viewer', '--sub', 'kim'], {
      REELAY_HOME: folder,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const key = new TextEncoder().encode(secrets.jwtSecret);
    const { payload } = await jwtVerify(stdout.trimEnd(), key, { issuer: 'reelay', audience: 'reelay' });
    expect(payload).toMatchObject({ sub: 'kim', role: 'viewer' });
  });

  it('says in one line that there is no local stack', async () => {
    const ended = await reelay(['token', '--role', 'viewer'], { REELAY_HOME: join(folder, 'nothing') });
    expect(ended).toEqual({
      code: 1,
      stdout: '',
      stderr: 'reelay: there is no local stack yet; run npm start first\n',
    });
  });

  it('refuses a role that does not exist', async () => {
    const ended = await reelay(['token', '--role', 'king'], { REELAY_HOME: folder });
    expect(ended).toEqual({
      code: 2,
      stdout: '',
      stderr: 'reelay: --role is one of admin, uploader, viewer\n',
    });
  });
});

describe('reelay upload', () => {
  it('tells a missing file as code: detail, and as JSON for scripts', async () => {
    const env = { REELAY_URL: 'http://127.0.0.1:1', REELAY_TOKEN: 'x' };
    const path = join(folder, 'missing.mp4');
    const plain = await reelay(['upload', path], env);
    expect(plain).toMatchObject({ code: 1, stderr: 'file_not_found: There is no such file.\n' });
    const { code, stdout } = await reelay(['upload', '--json', path], env);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ file: path, ok: false, error: { code: 'file_not_found' } });
  });
});

// Only the parts of an upload, to see how the client sends them.
describe('sending parts', () => {
  const PART_BYTES = MIB;
  const PARTS = 6;
  let server: Server;
  let baseUrl: string;
  let path: string;
  let received: Map<number, string[]>;
  let atOnce: number;
  let mostAtOnce: number;
  let answer: (number: number, attempt: number) => number;

  beforeAll(async () => {
    path = join(folder, 'parts.bin');
    await writeFile(
      path,
      Buffer.alloc(PARTS * PART_BYTES - 7, 0).map((_, index) => index >> 20),
    );
    server = createServer((request, response) => void handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => new Promise((resolve) => server.close(resolve)));

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = (status: number, json: object) => response.writeHead(status).end(JSON.stringify(json));
    const [, number] = /\/parts\/(\d+)$/.exec(request.url ?? '') ?? [];
    if (request.url?.endsWith('/complete')) return void reply(200, { videoId: 'v', jobId: 'j' });
    if (!number) return void reply(201, created());
    atOnce += 1;
    mostAtOnce = Math.max(mostAtOnce, atOnce);
    let bytes = 0;
    let first = -1;
    for await (const chunk of request) {
      if (first < 0) first = chunk[0];
      bytes += chunk.length;
    }
    atOnce -= 1;
    const attempts = received.get(Number(number)) ?? [];
    attempts.push(`${bytes} of ${request.headers['content-length']} from ${first}`);
    received.set(Number(number), attempts);
    const status = answer(Number(number), attempts.length);
    if (status === 200) return void reply(200, { number: Number(number), etag: 'e', sizeBytes: bytes });
    reply(status, {
      code: status === 503 ? 'storage_unavailable' : 'upload_part_size_mismatch',
      detail: 'No.',
    });
  }

  const created = () => ({
    uploadId: 'u',
    videoId: 'v',
    method: 'multipart',
    partSizeBytes: PART_BYTES,
    partCount: PARTS,
    expiresAt: '2030-01-01T00:00:00Z',
  });

  async function upload(answers: typeof answer) {
    received = new Map();
    atOnce = 0;
    mostAtOnce = 0;
    answer = answers;
    const sent: number[] = [];
    const request = { path, method: 'multipart' as const, video: {} };
    const result = await uploadFile(createApiClient(baseUrl, 'x'), request, (bytes) => sent.push(bytes));
    return { result, sent };
  }

  it('streams each once, at most four at a time, each with its length', async () => {
    const { result, sent } = await upload(() => 200);
    expect(result).toMatchObject({ videoId: 'v', jobId: 'j', method: 'multipart' });
    const whole = (index: number) => [`${PART_BYTES} of ${PART_BYTES} from ${index}`];
    const last = PART_BYTES - 7;
    expect(Object.fromEntries(received)).toEqual({
      ...Object.fromEntries([0, 1, 2, 3, 4].map((index) => [index + 1, whole(index)])),
      6: [`${last} of ${last} from 5`],
    });
    expect(mostAtOnce).toBeLessThanOrEqual(4);
    expect(Math.max(...sent)).toBe(PARTS * PART_BYTES - 7);
  });

  it('sends a part again that met an overload, and that part alone', async () => {
    await upload((number, attempt) => (number === 2 && attempt === 1 ? 503 : 200));
    expect(received.get(2)).toHaveLength(2);
    expect([...received.values()].flat()).toHaveLength(PARTS + 1);
  });

  it('does not repeat what was refused for good', async () => {
    const failed = await upload((number) => (number === 2 ? 422 : 200)).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(UploadInterrupted);
    expect((failed as UploadInterrupted).cause).toMatchObject({
      code: 'upload_part_size_mismatch',
      status: 422,
    });
    expect(received.get(2)).toHaveLength(1);
  });
});

describe('the progress bar', () => {
  it('is full at 1, empty at 0 and never over', () => {
    expect(barLine('upload', 0, '0 B')).toBe(`  upload        ${'░'.repeat(28)}   0 %   0 B`);
    expect(barLine('upload', 0.5, '')).toBe(`  upload        ${'█'.repeat(14)}${'░'.repeat(14)}  50 %`);
    expect(barLine('upload', 7, '')).toBe(`  upload        ${'█'.repeat(28)} 100 %`);
  });

  it('writes sizes as a person reads them', () => {
    expect([0, 999, 1000, 12_345_678].map(formatBytes)).toEqual(['0 B', '999 B', '1.0 kB', '12.3 MB']);
  });
});

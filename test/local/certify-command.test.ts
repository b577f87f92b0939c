import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { edit } from '../support/break-stream.ts';
import { makeFolder } from '../support/media.ts';
import { type StreamServer, startStreamServer } from '../support/stream-server.ts';
import { ffmpegTsStream } from '../support/streams.ts';

let folder: string;
let server: StreamServer;

beforeAll(async () => {
  [folder, server] = await Promise.all([makeFolder('certify'), startStreamServer()]);
  const files = await ffmpegTsStream();
  for (const [name, { bytes }] of files) {
    await writeFile(join(folder, name), bytes);
    // As our own playback URLs are.
    server.files.set(`p/v1.secret.token/${name}`, { bytes });
  }
}, 60_000);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

type Ended = { code: number; stdout: string; stderr: string };

function certify(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['transcoder/cli/reelay.mjs', 'certify', ...args], (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

describe('reelay certify', { timeout: 30_000 }, () => {
  it('prints every check with its count and ends with 0 for a good stream', async () => {
    const { code, stdout, stderr } = await certify('--deep', join(folder, 'master.m3u8'));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/ok +starts-with-key +8\n/);
    expect(stdout).toMatch(/Not checked:\n(?:.*\n)* {2}headers: read from a file/);
    expect(stdout).toMatch(/Certified: \d+ checks passed\.\n$/);
  });

  it('ends with 1 for a broken one and says where, without the token', async () => {
    edit(server.files, 'p/v1.secret.token/out0.m3u8', (text) => text.replace('1.000000', '1.200000'));
    const { code, stdout } = await certify(server.url('p/v1.secret.token/master.m3u8'));
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /FAIL +extinf-exact +1 of 4\n +EXTINF says 1\.2 s, the samples last 1\.000000 s\./,
    );
    expect(stdout).toContain('/p/…/s0_000.ts');
    expect(stdout).not.toContain('secret');
  });

  it('prints one JSON object with --json', async () => {
    const { code, stdout } = await certify('--json', server.url('p/v1.secret.token/master.m3u8'));
    const certificate = JSON.parse(stdout);
    expect(code).toBe(1);
    expect(certificate).toMatchObject({ version: 1, format: 'hls', isDeep: false, passed: false });
    expect(certificate.checks).toContainEqual(
      expect.objectContaining({ name: 'extinf-exact', count: 4, failed: 1 }),
    );
  });

  it.each([
    ['nothing there', () => server.url('nothing.m3u8'), 'The server answers 404.'],
    [
      'a segment',
      () => server.url('p/v1.secret.token/s0_000.ts'),
      'This is neither an HLS playlist nor an MPD.',
    ],
    ['no server', () => 'http://127.0.0.1:9/x.m3u8', 'No answer: '],
  ])('ends with 2 for %s', async (_what, url, reason) => {
    const { code, stdout, stderr } = await certify(url());
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(`reelay: nothing to certify: ${reason}`);
  });

  it('takes exactly one URL', async () => {
    expect(await certify()).toEqual({
      code: 2,
      stdout: '',
      stderr: 'reelay: certify takes one URL of a playlist or an MPD\n',
    });
  });
});

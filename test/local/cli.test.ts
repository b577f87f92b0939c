import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureSecrets, homeAt } from '../../local/home.ts';
import { barLine, createProgressBar } from '../../transcoder/cli/progress-bar.ts';
import { createTransferMeter, formatBytes, transferNote } from '../../transcoder/cli/transfer-meter.ts';

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

describe('the progress bar', () => {
  it('is full at 1, empty at 0 and never over', () => {
    expect(barLine('upload', 0, '0 B')).toBe(`  upload        ${'░'.repeat(28)}   0 %   0 B`);
    expect(barLine('upload', 0.5, '')).toBe(`  upload        ${'█'.repeat(14)}${'░'.repeat(14)}  50 %`);
    expect(barLine('upload', 7, '')).toBe(`  upload        ${'█'.repeat(28)} 100 %`);
  });

  it('stays one line on a terminal, however narrow', () => {
    for (const columns of [40, 80, 200]) {
      const written: string[] = [];
      const out = { isTTY: true, columns, write: (text: string) => written.push(text) };
      const bar = createProgressBar('upload', out as unknown as NodeJS.WriteStream);
      bar.update(0.5, '1.2 GB of 2.4 GB, 24.1 MB/s, 12 min 8 s left');
      bar.finish('2.4 GB in 24 min 3 s');
      const [line = ''] = written;
      expect(line.startsWith('\r\u001b[2K  upload')).toBe(true);
      expect(line.slice(5).length).toBeLessThan(columns);
      expect(written.join('').match(/\n/g)).toHaveLength(1);
    }
  });

  it('is plain lines where nobody looks on', () => {
    const written: string[] = [];
    const out = { isTTY: false, write: (text: string) => written.push(text) };
    const bar = createProgressBar('upload', out as unknown as NodeJS.WriteStream);
    for (let percent = 0; percent <= 100; percent += 1) bar.update(percent / 100);
    bar.finish('1.0 MB');
    expect(written).toHaveLength(5);
    expect(written.join('')).not.toContain('\r');
  });

  it('tells speed and time left of the last seconds, resumed bytes aside', () => {
    let nowMs = 0;
    const meter = createTransferMeter(100_000_000, 40_000_000, () => nowMs);
    expect(transferNote(meter, 40_000_000, 100_000_000)).toBe('40.0 MB of 100.0 MB');
    for (nowMs = 1000; nowMs <= 20_000; nowMs += 1000) meter.sample(40_000_000 + nowMs * 1000);
    nowMs = 20_000;
    expect(transferNote(meter, 60_000_000, 100_000_000)).toBe('60.0 MB of 100.0 MB, 1.0 MB/s, 40 s left');
  });

  it('writes sizes as a person reads them', () => {
    expect([0, 999, 1000, 12_345_678].map(formatBytes)).toEqual(['0 B', '999 B', '1.0 kB', '12.3 MB']);
  });
});

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startLibraryServer } from '../../chaos/library-server.ts';
import { migrateCommand } from '../../transcoder/cli/migrate-command.ts';
import { UsageError } from '../../transcoder/cli/usage.ts';
import { smallMp4 } from '../support/small-mp4.ts';

// The command as a process: what it refuses before anything is made, and what it shows.

let folder: string;
let server: Server;
let url: string;
/** Everything the deployment was asked, and its answer. */
const asked: string[] = [];
type Answer = { status: number; json: unknown };
const NO_MIGRATIONS: Answer = { status: 200, json: { migrations: [] } };
let answer: Answer = NO_MIGRATIONS;
/** To what comes after the first question. */
let later: Answer | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reelay-migrate-'));
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const { status, json } = asked.length > 1 && later ? later : answer;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

type Ended = { code: number; stdout: string; stderr: string };

function migrate(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  asked.length = 0;
  const own = { REELAY_URL: url, REELAY_TOKEN: 'token', REELAY_STATE: join(folder, 'state'), ...env };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['transcoder/cli/reelay.mjs', 'migrate', ...args],
      { env: { ...process.env, ...own } },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

async function listOf(...lines: string[]): Promise<string> {
  const path = join(folder, `${crypto.randomUUID()}.csv`);
  await writeFile(path, `${lines.join('\n')}\n`);
  return path;
}

describe('reelay migrate', { timeout: 30_000 }, () => {
  it('tells all that is wrong with a list, by line, before it asks anybody', async () => {
    const path = await listOf(
      'opera,1,https://a.example.com/1.mp4',
      'movie,2',
      'movie,3,old/3.mp4',
      'movie,3,old/4.mp4',
    );
    const { code, stdout, stderr } = await migrate([path]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trimEnd().split('\n')).toEqual([
      'reelay: the list cannot be used, and nothing was started:',
      '  line 1: the kind is none of movie, episode, video',
      '  line 2: 2 columns, not 3',
      '  line 4 repeats movie 3 of line 3',
    ]);
    expect(asked).toEqual([]);
  });

  it.each([
    ['no source', [], /migrate needs a source/],
    ['a list that is not there', ['nowhere.csv'], /nowhere\.csv cannot be read/],
    ['a bucket without an endpoint', ['s3://films/'], /--endpoint/],
    ['a rollback of nothing in particular', ['--rollback'], /--migration ID/],
    ['a template without a place for the id', ['--match', 'movies/', 'bucket:a/'], /\{id\} once/],
    ['an unknown visibility', ['--visibility', 'secret', 'bucket:a/'], /--visibility/],
  ])('with %s says what is missing', async (_what, args, sentence) => {
    const called = migrateCommand(args);
    await expect(called).rejects.toThrow(UsageError);
    await expect(called).rejects.toThrow(sentence);
  });

  it('with an empty list, or an empty prefix, says that there is nothing to migrate', async () => {
    await expect(migrateCommand([await listOf('kind,id,url')])).rejects.toThrow(
      /there is nothing to migrate/,
    );
    answer = {
      status: 200,
      json: { migrations: [], objects: [{ key: 'a/b.txt', sizeBytes: 1, etag: 'e' }] },
    };
    const prefix = await migrate(['bucket:a/']);
    expect(prefix).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/1 objects have no name of a video/),
    });
  });

  it('with a credential that is not enough stops before anything is made', async () => {
    answer = { status: 403, json: { code: 'forbidden', detail: 'This needs the role admin or uploader.' } };
    const { code, stderr } = await migrate([await listOf('movie,1,https://a.example.com/1.mp4')]);
    expect({ code, asked }).toEqual({ code: 1, asked: ['GET /v1/migrations?limit=1'] });
    expect(stderr).toMatch(/^forbidden: This needs the role admin or uploader\./);
  });

  it('with keys of the bucket and a credential that may not read it stops as well', async () => {
    answer = NO_MIGRATIONS;
    later = { status: 403, json: { code: 'forbidden', detail: 'This needs the role admin.' } };
    const { code, stderr } = await migrate([await listOf('movie,1,old/1.mp4')]);
    later = undefined;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^forbidden: This needs the role admin\./);
    expect(asked.filter((request) => !request.startsWith('GET '))).toEqual([]);
  });

  it('with --dry-run shows counts, hours, time and cost with what is assumed, and makes nothing', async () => {
    await using library = await startLibraryServer();
    library.files.set('1.mp4', Buffer.from(smallMp4({ pictures: 25 * 3600, pictureBytes: 20 })));
    answer = NO_MIGRATIONS;
    const path = await listOf(`movie,1,${library.url}/1.mp4`, `movie,2,${library.url}/none.mp4`);
    const { code, stdout, stderr } = await migrate(['--dry-run', '--speed', '2', path]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(/items +1 \(1 movies, 0 episodes, 0 videos\)/);
    expect(stdout).toMatch(/stable places +1 get .*; 1 are public, 0 private/);
    expect(stdout).toMatch(/to convert +1 items, 1\.00 hours of video/);
    expect(stdout).toMatch(/estimated time +\d+ s/);
    expect(stdout).toMatch(/estimated cost +\$\d+\.\d\d once for conversion, \$\d+\.\d\d a month/);
    expect(stdout).toMatch(/2x real time [\s\S]*per vCPU second/);
    expect(stdout).toMatch(/cannot be read +1\n +line 2: source_not_found/);
    expect(asked).toEqual(['GET /v1/migrations?limit=1']);
    expect(Object.keys(library.methods)).toEqual(['GET']);
    expect(await readdir(join(folder, 'state')).catch(() => [])).toEqual([]);
  });
});

import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { brokenMigratePromises, migrateTable, runMigrateChaos } from '../../chaos/migrate.ts';
import { MIB } from '../../shared/limits.ts';
import { createR2 } from '../../transcoder/r2.ts';
import { type Api, apiAt, type Json, jobEnd, watchJob } from '../support/api.ts';
import { type FileServer, startFileServer } from '../support/file-server.ts';
import { makeClip, makeFolder } from '../support/media.ts';
import { startStack } from '../support/stack.ts';

// The positive twin of the address guard, on the real stack: with loopback allowed by the explicit setting a file
// comes in from a server of this machine, whatever happens on the way.

const PART_BYTES = 8 * MIB;

let stack: Awaited<ReturnType<typeof startStack>>;
let api: Api;
let film: Buffer;

beforeAll(async () => {
  const clip = await readFile(await makeClip(join(await makeFolder('import'), 'a.mp4'), { seconds: 2 }));
  // ISO 14496-12 §8.1.2: a box of free space makes a short clip a long file, no byte like another.
  const filler = randomBytes(3 * PART_BYTES - 1_000_003);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(filler.length + header.length);
  header.write('free', 4);
  film = Buffer.concat([clip, header, filler]);
  const allowed = { IMPORT_ALLOW_LOOPBACK: 'on' };
  stack = await startStack({ transcoders: 1, env: allowed, transcoderEnv: allowed });
  api = apiAt(stack.url, await stack.token('admin'));
});

afterAll(async () => {
  await stack?.stop();
});

function imported(origin: Json): Promise<Json> {
  const json = { ...origin, video: { title: 'Imported', preset: 'ultrafast' } };
  return api.call('/v1/imports', { method: 'POST', json });
}

/** Multipart as its manual has it, with the settings an R2 bucket needs and nothing of ours. */
async function putByAwsSdk(key: string, bytes: Buffer): Promise<void> {
  const client = new S3Client({
    endpoint: `${stack.url}/cdn-cgi/local/r2/s3`,
    region: 'auto',
    forcePathStyle: true,
    expectContinueHeader: false,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    credentials: { accessKeyId: 'reelay-local', secretAccessKey: 'reelay-local-secret' },
  });
  const object = { Bucket: 'reelay-media', Key: key };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(object));
  const Parts = [];
  for (let PartNumber = 1; (PartNumber - 1) * PART_BYTES < bytes.length; PartNumber += 1) {
    const Body = bytes.subarray((PartNumber - 1) * PART_BYTES, PartNumber * PART_BYTES);
    const { ETag } = await client.send(new UploadPartCommand({ ...object, UploadId, PartNumber, Body }));
    Parts.push({ PartNumber, ETag });
  }
  const MultipartUpload = { Parts };
  await client.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload }));
  client.destroy();
}

/** The promise of every upload method: one job, and the bytes match. */
async function expectSameBytes({ videoId, jobId }: Json): Promise<void> {
  const job = await jobEnd(api, jobId);
  expect(job.error).toBeUndefined();
  const video = await api.call(`/v1/videos/${videoId}`);
  expect(video).toMatchObject({ state: 'ready', job: { id: jobId, state: 'succeeded', progress: 100 } });
  const source = await api.request(`/v1/videos/${videoId}/source`);
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  expect(sha256(new Uint8Array(await source.arrayBuffer()))).toBe(sha256(film));
}

async function untilProgress(jobId: string, percent: number): Promise<void> {
  const end = Date.now() + 120_000;
  for (;;) {
    const job = await api.call(`/v1/jobs/${jobId}`);
    if (job.progress >= percent) return;
    if (Date.now() > end || job.error) throw new Error(`the import stands at ${JSON.stringify(job)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('an import', () => {
  it('whose connection breaks goes on where it broke, tells its progress, and ends ready', async () => {
    await using server: FileServer = await startFileServer(film, {
      cutAfter: [11 * MIB + 5, 64 * 1024],
      // Some seconds in all, so that there is progress to be told of.
      pauseMs: 15,
    });
    const created = await imported({ url: `${server.url}/film.mp4` });
    const events = await watchJob(api, created.jobId);
    await expectSameBytes(created);

    expect(server.requests.map(({ range }) => range)).toEqual([
      'bytes=0-',
      `bytes=${11 * MIB + 5}-`,
      `bytes=${11 * MIB + 5 + 64 * 1024}-`,
    ]);
    expect(server.requests.slice(1).map(({ ifRange }) => ifRange)).toEqual(['"one"', '"one"']);
    expect(server.sentBytes()).toBe(film.length);

    const fetching = events.filter(({ stage }) => stage === 'importing').map(({ progress }) => progress);
    expect(fetching.length).toBeGreaterThan(1);
    expect(fetching.at(-1)).toBeGreaterThan(0);
    expect(Math.max(...fetching)).toBeLessThanOrEqual(20);
    const all = events.map(({ progress }) => progress);
    expect(all).toEqual(all.toSorted((a, b) => a - b));
  });

  it('whose transcoder dies by SIGKILL is carried on after the last durable part', async () => {
    // Three quarters of a minute are left after two parts and a half: the kill comes in the middle.
    await using server = await startFileServer(film, { slowAfter: 2.5 * PART_BYTES });
    const created = await imported({ url: `${server.url}/film.mp4` });
    // Past two parts the first is durable: a part waits for the one before it.
    await untilProgress(created.jobId, (20 * 2.1 * PART_BYTES) / film.length);
    await stack.killTranscoder(0, 'SIGKILL');
    delete server.behaviour.slowAfter;
    await stack.startTranscoder();
    await expectSameBytes(created);

    const [, next, ...others] = server.requests;
    expect(others).toEqual([]);
    expect([PART_BYTES, 2 * PART_BYTES].map((offset) => `bytes=${offset}-`)).toContain(next?.range);
    expect(next?.ifRange).toBe('"one"');
  });

  it('of a key of the bucket ends ready with the same bytes', async () => {
    const bucketKey = `archive/${Date.now()}/film.mp4`;
    const r2 = createR2({
      endpoint: `${stack.url}/cdn-cgi/local/r2/s3`,
      bucket: 'reelay-media',
      accessKeyId: 'reelay-local',
      secretAccessKey: 'reelay-local-secret',
    });
    await r2.putOnce(bucketKey, film, 'video/mp4');
    await expectSameBytes(await imported({ bucketKey }));
  });

  it('of what a script has put into the bucket with the AWS SDK in parts has the same bytes and one job', async () => {
    const bucketKey = `handed-over/${Date.now()}/film.mp4`;
    await putByAwsSdk(bucketKey, film);
    const sha256 = createHash('sha256').update(film).digest('hex');
    const created = await imported({ bucketKey, sha256 });
    await expectSameBytes(created);
    const wrong = await imported({ bucketKey, sha256: '0'.repeat(64) });
    expect(await jobEnd(api, wrong.jobId)).toMatchObject({
      state: 'failed',
      error: { code: 'upload_checksum_mismatch' },
    });
  });

  it.each([
    ['that is not there', 404, {}, 'import_refused_by_server'],
    [
      'that leads into the machine’s cloud',
      302,
      { location: 'http://169.254.169.254/' },
      'import_redirect_refused',
    ],
    [
      'that leads to another protocol',
      302,
      { location: 'https://media.example.com/' },
      'import_redirect_refused',
    ],
  ])('of a file %s fails its job by name', async (_what, status, headers, code) => {
    await using server = await startFileServer(film, {
      answer: (_, response) => {
        response.writeHead(status, headers).end();
        return true;
      },
    });
    const { videoId, jobId } = await imported({ url: `${server.url}/film.mp4` });
    const job = await jobEnd(api, jobId);
    expect(job).toMatchObject({ state: 'failed', error: { code } });
    expect(job.error.detail).toMatch(/^[A-Z].*\.$/);
    expect(await api.call(`/v1/videos/${videoId}`)).toMatchObject({ state: 'failed', error: { code } });
  });
});

// The short version of `npm run chaos -- migrate`, with the same code.
describe('a migration whose migrator is killed', () => {
  const ITEMS = 6;

  it('ends with one verified video per source, writes to none, and can be taken back', async () => {
    // Of this seed both kills come in the middle.
    const seed = Number(process.env.CHAOS_SEED ?? 50);
    const token = stack.token('admin', 'library');
    const report = await runMigrateChaos({
      ...{ seed, items: ITEMS, kills: 2, parallel: 4 },
      stack: { url: stack.url, token },
    });
    // Shown beside a failure.
    console.log(`seed ${seed}\n${migrateTable(report)}`);
    expect(brokenMigratePromises(report)).toEqual([]);
    // A run in which nothing went wrong would prove nothing.
    expect(report).toMatchObject({ kills: 2, runs: 3, videos: ITEMS, sourceWrites: 0 });
    expect(report.killsUnderWay).toBeGreaterThan(0);

    const owner = apiAt(stack.url, token);
    const rollBack = (...names: string[]) =>
      reelay(['migrate', '--rollback', '--migration', report.migrationId, ...names], token);
    const idsLeft = async () =>
      (await owner.call('/v1/videos?limit=100')).videos.map((one: Json) => one.contentId);
    expect(await rollBack(`movie/${seed}-4`)).toMatchObject({
      code: 0,
      output: expect.stringContaining(`movie/${seed}-4  video`),
    });
    expect(await idsLeft()).toHaveLength(ITEMS - 1);
    expect(await idsLeft()).not.toContain(`${seed}-4`);
    expect(await rollBack(`movie/${seed}-99`)).toMatchObject({ code: 2 });
    expect(await idsLeft()).toHaveLength(ITEMS - 1);
    expect(await rollBack()).toMatchObject({ code: 0 });
    expect(await idsLeft()).toEqual([]);
    const { items } = await owner.call(`/v1/migrations/${report.migrationId}`);
    expect(items).toMatchObject({ rolled_back: ITEMS, done: 0 });
  }, 400_000);
});

function reelay(args: string[], token: string): Promise<{ code: number; output: string }> {
  const env = { ...process.env, REELAY_URL: stack.url, REELAY_TOKEN: token };
  return new Promise((resolve) => {
    execFile(process.execPath, ['transcoder/cli/reelay.mjs', ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr }),
    );
  });
}

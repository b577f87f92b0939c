import { beforeEach, describe, expect, it } from 'vitest';
import {
  attemptTag,
  type BucketListing,
  type Migration,
  type MigrationItem,
  type MigrationItemList,
  type MigrationList,
} from '../../shared/migration-api.ts';
import { fanOut } from '../../worker/webhooks/fan-out.ts';
import { type Client, clientOf } from './api-client.ts';
import { clearTasks, env, newJob, runJob } from './ledger-fixtures.ts';
import { createWebhook, deliveriesOf } from './webhook-steps.ts';

beforeEach(clearTasks);

const newKey = () => crypto.randomUUID().replaceAll('-', '');
const pathOf = ({ id }: Migration, key = '') => `/v1/migrations/${id}/items${key && `/${key}`}`;

async function migration(client: Client, name: string = crypto.randomUUID()): Promise<Migration> {
  const headers = { 'Idempotency-Key': crypto.randomUUID() };
  const response = await client.call('POST', '/v1/migrations', { json: { name }, headers });
  expect([200, 201]).toContain(response.status);
  return response.json();
}

function register(
  client: Client,
  into: Migration,
  key: string,
  more: object = {},
): Promise<MigrationItemList> {
  const item = { key, kind: 'movie', contentId: key, source: `videos/${key}.mp4`, sourceEtag: 'e1' };
  return client.json(200, 'PUT', pathOf(into), { json: { items: [item], ...more } });
}

/** A video as the import of an attempt makes it, converted or not. */
async function madeVideo(client: Client, key: string, attempt = 1, isReady = true) {
  await clearTasks();
  const job = await newJob({ ownerId: client.ownerId });
  await env.DB.prepare('UPDATE videos SET tags = ? WHERE id = ?')
    .bind(JSON.stringify([attemptTag(key, attempt)]), job.videoId)
    .run();
  if (isReady) await runJob(job);
  return { videoId: job.videoId, jobId: job.jobId };
}

async function convertingItem(isReady = true, ownerId?: string) {
  const client = await clientOf('admin', ownerId);
  const into = await migration(client);
  const key = newKey();
  await register(client, into, key);
  const made = await madeVideo(client, key, 1, isReady);
  const tell = (json: object) => client.json<MigrationItem>(200, 'PUT', pathOf(into, key), { json });
  const refusal = (json: object) => client.code('PUT', pathOf(into, key), { json });
  await tell({ state: 'converting', attempt: 1, ...made });
  return { client, into, key, made, tell, refusal };
}

const DONE = { state: 'done', attempt: 1, durationSeconds: 18 };
const ERROR = { code: 'media_malformed', detail: 'The file is damaged.' };

describe('a migration', () => {
  it('of one name is one, and another owner’s of that name another', async () => {
    const [one, other] = [await clientOf('admin'), await clientOf('admin')];
    const first = await migration(one, 'library');
    expect((await migration(one, 'library')).id).toBe(first.id);
    const foreign = await migration(other, 'library');
    expect(foreign.id).not.toBe(first.id);
    expect(await one.code('GET', `/v1/migrations/${foreign.id}`)).toBe('not_found');
    expect((await one.json<Migration>(200, 'GET', `/v1/migrations/${first.id}`)).name).toBe('library');
  });

  it('is listed newest first, page by page, with the counts of its items', async () => {
    const client = await clientOf('uploader');
    const made: string[] = [];
    for (let index = 0; index < 3; index++) made.push((await migration(client)).id);
    const seen: string[] = [];
    let query = '?limit=2';
    for (;;) {
      const page = await client.json<MigrationList>(200, 'GET', `/v1/migrations${query}`);
      seen.push(...page.migrations.map(({ id }) => id));
      if (page.nextCursor === undefined) break;
      query = `?limit=2&cursor=${page.nextCursor}`;
    }
    expect(seen.toSorted()).toEqual(made.toSorted());
  });

  it('is for uploaders, not for viewers', async () => {
    expect(await (await clientOf('viewer')).code('GET', '/v1/migrations')).toBe('forbidden');
    await (await clientOf('uploader')).json(200, 'GET', '/v1/migrations');
  });
});

describe('an item', () => {
  it('goes from pending over converting to done, and the end is told once', async () => {
    const { client, into, key, made, tell } = await convertingItem();
    const { id } = await createWebhook(client, { events: ['migration.item'] });
    for (let time = 0; time < 2; time++) {
      expect(await tell(DONE)).toMatchObject({ state: 'done', attempt: 1, ...made, durationSeconds: 18 });
    }
    expect((await client.json<Migration>(200, 'GET', `/v1/migrations/${into.id}`)).items).toEqual({
      ...{ pending: 0, converting: 0, done: 1, failed: 0, rolled_back: 0 },
    });
    await expect
      .poll(
        async () => {
          await fanOut(env.DB);
          return (await deliveriesOf(client, id)).map(({ payload }) => payload);
        },
        { timeout: 20_000 },
      )
      .toMatchObject([
        {
          type: 'migration.item',
          data: { videoId: made.videoId, migrationId: into.id, item: key, state: 'done', contentId: key },
        },
      ]);
  });

  it('that failed, and one that is taken back, are told as well, though their videos are gone', async () => {
    const { client, into, key, made, tell } = await convertingItem();
    const { id } = await createWebhook(client, { events: ['migration.item'] });
    const told = async () => {
      await fanOut(env.DB);
      const deliveries = await deliveriesOf(client, id);
      return deliveries.map(({ payload }) => (payload as { data: Record<string, unknown> }).data);
    };
    await tell(DONE);
    await client.json(204, 'DELETE', `/v1/videos/${made.videoId}`);
    await tell({ state: 'rolled_back' });
    const about = {
      migrationId: into.id,
      item: key,
      kind: 'movie',
      contentId: key,
      source: `videos/${key}.mp4`,
    };
    await expect
      .poll(told, { timeout: 20_000 })
      .toContainEqual({ ...about, state: 'rolled_back', attempt: 1 });
    await register(client, into, key, { again: true });
    await tell({ state: 'failed', attempt: 2, error: ERROR });
    await expect
      .poll(told, { timeout: 20_000 })
      .toContainEqual({ ...about, state: 'failed', attempt: 2, error: ERROR });
    expect(await told()).toHaveLength(3);
  });

  it('is done only when its job has succeeded', async () => {
    const { refusal } = await convertingItem(false);
    expect(await refusal(DONE)).toBe('video_busy');
    expect(await (await convertingItem(true)).refusal(DONE)).toBe('status 200');
  });

  it('takes no video that was not made for this attempt', async () => {
    const client = await clientOf('admin');
    const into = await migration(client);
    const key = newKey();
    await register(client, into, key);
    const json = { state: 'converting', attempt: 1 };
    const strange = await madeVideo(client, newKey());
    const code = (made: object) => client.code('PUT', pathOf(into, key), { json: { ...json, ...made } });
    expect(await code(strange)).toBe('video_busy');
    expect(await code(await madeVideo(await clientOf('admin'), key))).toBe('video_busy');
    expect(await code(await madeVideo(client, key))).toBe('status 200');
  });

  it('finds what an attempt has made where the answer was lost', async () => {
    const { client, into, key, made } = await convertingItem();
    const path = `${pathOf(into, key)}/made`;
    expect(await client.json(200, 'GET', `${path}?attempt=1`)).toEqual(made);
    expect(await client.code('GET', `${path}?attempt=2`)).toBe('not_found');
  });

  it('that waits has no stray video, unless its migrator died before it could tell of one', async () => {
    const { client, into } = await convertingItem();
    const path = `/v1/migrations/${into.id}/strays`;
    expect(await client.json(200, 'GET', path)).toEqual([]);
    const key = newKey();
    await register(client, into, key);
    const { videoId } = await madeVideo(client, key);
    await madeVideo(client, newKey());
    expect(await client.json(200, 'GET', path)).toEqual([{ key, videoId }]);
  });

  it('of a failed attempt waits for the next one, which no late word of the first disturbs', async () => {
    const { client, key, tell, refusal } = await convertingItem(false);
    expect(await tell({ state: 'pending', attempt: 1, error: ERROR })).toMatchObject({
      state: 'pending',
      attempt: 1,
    });
    const second = await madeVideo(client, key, 2);
    await tell({ state: 'converting', attempt: 2, ...second });
    expect(await refusal(DONE)).toBe('video_busy');
    expect(await tell({ ...DONE, attempt: 2 })).toMatchObject({ state: 'done', videoId: second.videoId });
  });

  it('that failed is left alone when it is registered again, unless that is asked for', async () => {
    const { client, into, key, tell } = await convertingItem(false);
    const failed = await tell({ state: 'failed', attempt: 1, error: ERROR });
    expect(failed).toMatchObject({ state: 'failed', error: ERROR });
    expect(failed.videoId).toBeUndefined();
    expect((await register(client, into, key)).items[0]?.state).toBe('failed');
    expect((await register(client, into, key, { again: true })).items[0]).toMatchObject({
      ...{ state: 'pending', attempt: 1 },
    });
  });

  it('that is done is no other migration’s work, unless its video is gone', async () => {
    const { client, into, key, made, tell } = await convertingItem();
    await tell(DONE);
    const second = await migration(client);
    expect((await register(client, second, key)).items[0]).toMatchObject({
      state: 'done',
      migrationId: into.id,
    });
    await client.json(204, 'DELETE', `/v1/videos/${made.videoId}`);
    const [item] = (await register(client, second, key)).items;
    expect(item).toMatchObject({ state: 'pending', migrationId: second.id, attempt: 1 });
    expect(item?.videoId).toBeUndefined();
  });

  it('is rolled back when its video is gone, not before', async () => {
    const { client, made, tell, refusal } = await convertingItem();
    await tell(DONE);
    expect(await refusal({ state: 'rolled_back' })).toBe('video_busy');
    await client.json(204, 'DELETE', `/v1/videos/${made.videoId}`);
    expect(await tell({ state: 'rolled_back' })).toMatchObject({ state: 'rolled_back' });
  });

  it.each([
    ['a key that is none', { key: 'x' }],
    ['an unknown kind', { kind: 'opera' }],
    ['an id that is no content id', { contentId: '../1' }],
  ])('with %s is malformed', async (_what, change) => {
    const client = await clientOf('admin');
    const into = await migration(client);
    const item = { key: newKey(), kind: 'movie', contentId: '1', source: 'a.mp4' };
    const code = (items: object[]) => client.code('PUT', pathOf(into), { json: { items } });
    expect(await code([{ ...item, ...change }])).toBe('invalid_request');
    expect(await code([item])).toBe('status 200');
  });
});

describe('the bucket as a source', () => {
  it('shows admins what lies there, without what is the system’s own', async () => {
    const prefix = `library-${crypto.randomUUID()}/`;
    await env.MEDIA.put(`${prefix}a.mp4`, new Uint8Array(1000).fill(7));
    await env.MEDIA.put(`sources/${prefix}b.mp4`, 'b');
    const admin = await clientOf('admin');
    const listing = await admin.json<BucketListing>(200, 'GET', `/v1/migration-sources?prefix=${prefix}`);
    expect(listing.objects).toMatchObject([{ key: `${prefix}a.mp4`, sizeBytes: 1000 }]);
    const own = await admin.json<BucketListing>(200, 'GET', '/v1/migration-sources?prefix=sources/library');
    expect(own.objects).toEqual([]);
    expect(await (await clientOf('uploader')).code('GET', '/v1/migration-sources')).toBe('forbidden');
  });

  it('is read in ranges, and nowhere else', async () => {
    const key = `library-${crypto.randomUUID()}/a.mp4`;
    await env.MEDIA.put(
      key,
      new Uint8Array(1000).map((_, index) => index),
    );
    const admin = await clientOf('admin');
    const path = (of: string) => `/v1/migration-sources/content?key=${encodeURIComponent(of)}`;
    const get = (of: string, Range: string) => admin.call('GET', path(of), { headers: { Range } });
    const part = await get(key, 'bytes=990-2000');
    expect([part.status, part.headers.get('Content-Range')]).toEqual([206, 'bytes 990-999/1000']);
    expect(new Uint8Array(await part.arrayBuffer())).toEqual(
      new Uint8Array(10).map((_, index) => 990 + index),
    );
    const code = async (of: string, range: string) =>
      ((await (await get(of, range)).json()) as { code: string }).code;
    expect(await code(key, 'bytes=1000-1001')).toBe('range_not_satisfiable');
    expect(await code(key, 'bytes=0-')).toBe('invalid_request');
    expect(await code(`${key}x`, 'bytes=0-1')).toBe('not_found');
    expect(await code('sources/a/b', 'bytes=0-1')).toBe('forbidden');
  });

  it('says of a key longer than any object has that nothing is there', async () => {
    const admin = await clientOf('admin');
    const headers = { Range: 'bytes=0-1' };
    for (const key of ['a'.repeat(1024), 'a'.repeat(1025), '漢'.repeat(1000)]) {
      const path = `/v1/migration-sources/content?key=${encodeURIComponent(key)}`;
      expect(await admin.code('GET', path, { headers })).toBe('not_found');
      if (key.length > 1024) continue; // more characters than an import takes
      expect(await admin.code('POST', '/v1/imports', { json: { bucketKey: key } })).toBe('not_found');
    }
  });
});

import { beforeEach, describe, expect, it } from 'vitest';
import type { CreatedImport } from '../../shared/api.ts';
import { MIB } from '../../shared/limits.ts';
import { configOf } from '../../worker/env.ts';
import { createImport } from '../../worker/uploads/create-import.ts';
import { sha256Of } from '../support/sha256.ts';
import { clientOf } from './api-client.ts';
import { begin, importAtWork, jobOf, sendParts, URL_OF_FILM, videoOf } from './import-steps.ts';
import { claim, clearTasks, env, mustClaim, told } from './ledger-fixtures.ts';
import { videoBytes } from './upload-steps.ts';

beforeEach(clearTasks);

describe('the creation of an import', () => {
  it('makes a video without a source and a job that begins with fetching it', async () => {
    const work = await importAtWork({ url: URL_OF_FILM, video: { kind: 'movie', tags: ['a'] } });
    expect(await videoOf(work)).toMatchObject({
      state: 'uploading',
      title: 'holiday film',
      kind: 'movie',
      tags: ['a'],
      job: { id: work.jobId, state: 'running', stage: 'importing', progress: 0 },
    });
    expect(work.held.job.import).toMatchObject({
      url: URL_OF_FILM,
      ports: [443],
      maxBytes: 900 * 1024 * MIB,
    });
    expect(work.held.job.import?.begun).toBeUndefined();
    expect(work.held.job.import?.secondsLeft).toBeGreaterThan(86_000);
    expect(await claim('worker-b')).toBeUndefined();
  });

  it.each([
    ['http://media.example.com/a.mp4', 'import_url_invalid'],
    ['https://user:pass@media.example.com/a.mp4', 'import_url_invalid'],
    ['https://media.example.com:8443/a.mp4', 'import_url_invalid'],
    ['holiday.mp4', 'import_url_invalid'],
    ['https://127.0.0.1/a.mp4', 'import_address_refused'],
    ['https://0x7f.1/a.mp4', 'import_address_refused'],
    ['https://[::1]/a.mp4', 'import_address_refused'],
    ['https://metadata.google.internal/a.mp4', 'import_address_refused'],
    ['https://localhost/a.mp4', 'import_address_refused'],
  ])('of %s is refused and leaves nothing', async (url, code) => {
    const client = await clientOf('uploader');
    expect(await client.code('POST', '/v1/imports', { json: { url } })).toBe(code);
    const { videos } = await client.json<{ videos: unknown[] }>(200, 'GET', '/v1/videos');
    expect(videos).toEqual([]);
  });

  it.each([{}, { url: URL_OF_FILM, bucketKey: 'a' }, { url: URL_OF_FILM, video: { kind: 'opera' } }])(
    'of %j is malformed',
    async (json) => {
      expect(await (await clientOf()).code('POST', '/v1/imports', { json })).toBe('invalid_request');
    },
  );

  it('is an uploader’s right, not a viewer’s', async () => {
    const json = { url: URL_OF_FILM };
    expect(await (await clientOf('viewer')).code('POST', '/v1/imports', { json })).toBe('forbidden');
    expect(await (await clientOf('uploader')).code('POST', '/v1/imports', { json })).toBe('status 202');
  });

  it('that is repeated while the first is at work makes nothing more', async () => {
    const { ownerId, json } = await clientOf();
    const caller = { ownerId, role: 'admin', via: 'jwt' } as const;
    const [jobId, input] = [crypto.randomUUID(), { url: URL_OF_FILM, video: {} }];
    const made = await createImport(env, configOf(env), caller, input, jobId);
    expect(await createImport(env, configOf(env), caller, input, jobId)).toEqual(made);
    const { videos } = await json<{ videos: unknown[] }>(200, 'GET', '/v1/videos');
    expect(videos).toHaveLength(1);
  });

  it('with a sha256 has it checked when the file is here, and in every further try', async () => {
    const bytes = videoBytes(50_000);
    const sha256 = await sha256Of(bytes);
    const first = await importAtWork({ url: URL_OF_FILM, sha256 });
    await told('fail', first.held.jobToken, { kind: 'media', code: 'import_unreachable', detail: 'No.' });
    await first.client.json(202, 'POST', `/v1/jobs/${first.jobId}/retry`);
    const held = await mustClaim();
    expect(held.job.source).not.toHaveProperty('sha256');
    await sendParts(held, await begin(held, { sizeBytes: bytes.length }), bytes);
    await told('imported', held.jobToken, { sizeBytes: bytes.length });
    expect(await mustClaim()).toMatchObject({ task: { kind: 'plan' }, job: { source: { sha256 } } });

    const json = { url: URL_OF_FILM, sha256: sha256.toUpperCase() };
    expect(await first.client.code('POST', '/v1/imports', { json })).toBe('invalid_request');
  });

  it('takes its title from the URL without control characters', async () => {
    const work = await importAtWork({ url: 'https://media.example.com/a%00b%1B%0Ac.mp4' });
    expect(await videoOf(work)).toMatchObject({ title: 'abc' });
  });

  it('without a sha256 has none checked', async () => {
    const { held } = await importAtWork();
    await sendParts(held, await begin(held, { sizeBytes: 5000 }), videoBytes(5000));
    await told('imported', held.jobToken, { sizeBytes: 5000 });
    expect((await mustClaim()).job.source).not.toHaveProperty('sha256');
  });

  it('never shows the URL again', async () => {
    const work = await importAtWork();
    expect(JSON.stringify([await videoOf(work), await jobOf(work)])).not.toContain('geheim');
  });

  it('takes a key of the bucket from an admin, and no key of its own or of nobody', async () => {
    const bucketKey = `archive/${crypto.randomUUID()}.mp4`;
    const [admin, uploader] = [await clientOf('admin'), await clientOf('uploader')];
    const path = '/v1/imports';
    expect(await admin.code('POST', path, { json: { bucketKey } })).toBe('not_found');
    await env.MEDIA.put(bucketKey, videoBytes(1000));
    expect(await uploader.code('POST', path, { json: { bucketKey } })).toBe('forbidden');
    for (const prefix of ['sources', 'work', 'hls']) {
      await env.MEDIA.put(`${prefix}/${bucketKey}`, videoBytes(1000));
      expect(await admin.code('POST', path, { json: { bucketKey: `${prefix}/${bucketKey}` } })).toBe(
        'forbidden',
      );
    }
    const { jobId } = await admin.json<CreatedImport>(202, 'POST', path, { json: { bucketKey } });
    expect(await mustClaim()).toMatchObject({ task: { jobId }, job: { import: { bucketKey } } });
  });
});

import { env } from 'cloudflare:test';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Video } from '../../shared/api.ts';
import { sha256Of } from '../support/sha256.ts';
import { type Client, clientOf } from './api-client.ts';
import { base64Of, begin, metadataOf, refusalOf, rowOf, send, tus, uploadIdOf } from './tus-steps.ts';
import { storedKeys, videoBytes } from './upload-steps.ts';

let client: Client;
beforeAll(async () => {
  client = await clientOf('uploader');
});

function creation(metadata: string): Promise<Response> {
  return tus(client, 'POST', '/v1/tus', { 'Upload-Length': '1000', 'Upload-Metadata': metadata });
}

async function videoWith(metadata: Record<string, string | null>): Promise<Video> {
  const path = await begin(client, 1000, { 'Upload-Metadata': metadataOf(metadata) });
  return client.json<Video>(200, 'GET', `/v1/videos/${(await rowOf(path)).video_id}`);
}

describe('Upload-Metadata', () => {
  it('describes the video with simple keys', async () => {
    const contentId = `tus-${crypto.randomUUID()}`;
    const video = await videoWith({
      filename: 'ferien.mp4',
      title: 'Ferien am Meer – été',
      kind: 'movie',
      contentId,
      visibility: 'public',
      regions: 'CH, DE',
      tags: 'sea,sun',
      unknown: 'to us',
    });
    expect(video).toMatchObject({ title: 'Ferien am Meer – été', kind: 'movie', contentId });
    expect(video).toMatchObject({ visibility: 'public', regions: ['CH', 'DE'], tags: ['sea', 'sun'] });
  });

  it.each<[Record<string, string | null>, string]>([
    [{ filename: 'holiday.mov' }, 'holiday'],
    [{ name: 'by Uppy.mp4', type: 'video/mp4' }, 'by Uppy'],
    [{}, 'upload'],
  ])('%j gives a title', async (metadata, title) => {
    const path = Object.keys(metadata).length > 0 ? metadataOf(metadata) : undefined;
    const upload = await begin(client, 1000, path === undefined ? {} : { 'Upload-Metadata': path });
    const video = await client.json<Video>(200, 'GET', `/v1/videos/${(await rowOf(upload)).video_id}`);
    expect(video.title).toBe(title);
  });

  it.each([
    '../../../etc/passwd',
    '..\\..\\windows\\system32',
    '/sources/other-video/other-upload',
    'a%2f..%2fb?x#y',
    '$(reboot);{{7*7}}',
  ])('with the name %s reaches no key and no path', async (filename) => {
    const path = await begin(client, 1000, { 'Upload-Metadata': metadataOf({ filename }) });
    await send(client, path, 0, videoBytes(1000));
    const row = await rowOf(path);
    expect(row).toMatchObject({ filename, object_key: `sources/${row.video_id}/${uploadIdOf(path)}` });
    expect(await storedKeys(`sources/${row.video_id}/`)).toEqual([row.object_key]);
  });

  it.each<[string, string]>([
    ['nothing at all', ''],
    ['a key without a name', 'title YWJj,,kind bW92aWU='],
    ['a value that is not Base64', 'title %%%%'],
    ['Base64 cut short', 'title YWJ'],
    ['three words', `title ${btoa('abc')} ${btoa('abc')}`],
    ['a key that comes twice', 'title YWJj,title YWJj'],
    ['a space after the comma', 'title YWJj, kind bW92aWU='],
    ['bytes that are no UTF-8', `title ${base64Of(new Uint8Array([0xff, 0xfe]))}`],
    ['a line break in the title', metadataOf({ title: 'a\r\nSet-Cookie: b' })],
    ['a NUL in the file name', metadataOf({ filename: 'a\0.mp4' })],
    ['a C1 control character', metadataOf({ title: 'a\u0085b' })],
    ['more than 8 KiB', metadataOf({ title: 'x'.repeat(9000) })],
  ])('is refused with %s', async (_what, metadata) => {
    const response = await creation(metadata);
    expect([response.status, await refusalOf(response)]).toEqual([400, 'upload_metadata_invalid']);
  });

  it.each<[string, string, string]>([
    ['kind', 'opera', 'movie'],
    ['contentId', '../x', `x-${crypto.randomUUID()}`],
    ['visibility', 'secret', 'private'],
    ['segmentSeconds', '99', '4'],
    ['segmentSeconds', 'four', '4'],
    ['sha256', 'abc', 'a'.repeat(64)],
  ])('is held to the same schema: %s %s is refused, %s is not', async (key, wrong, right) => {
    expect(await refusalOf(creation(metadataOf({ [key]: wrong })))).toBe('invalid_request');
    expect((await creation(metadataOf({ [key]: right }))).status).toBe(201);
  });

  it('cannot take a content id from its owner', async () => {
    const contentId = `held-${crypto.randomUUID()}`;
    await env.DB.prepare(
      `INSERT INTO contents (kind, content_id, owner_id, video_id) VALUES ('movie', ?, 'somebody', 'else')`,
    )
      .bind(contentId)
      .run();
    expect(await refusalOf(creation(metadataOf({ kind: 'movie', contentId })))).toBe('content_id_taken');
  });

  it('may declare the hash of the whole file', async () => {
    const bytes = videoBytes(1000);
    const sha256 = await sha256Of(bytes);
    const path = await begin(client, 1000, { 'Upload-Metadata': metadataOf({ sha256 }) });
    await send(client, path, 0, bytes);
    expect(await rowOf(path)).toMatchObject({ sha256, state: 'accepted' });
  });
});

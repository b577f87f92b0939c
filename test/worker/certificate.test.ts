import { SELF } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { Role } from '../../shared/api.ts';
import { bearer, ORIGIN, outcome, type PublishedVideo, publishVideo } from './playback-fixtures.ts';

async function certificateOf(video: PublishedVideo, ownerId = video.ownerId): Promise<Response> {
  const url = `${ORIGIN}/v1/videos/${video.id}/certificate`;
  return (await SELF.fetch(url, { headers: await bearer(ownerId) })) as unknown as Response;
}

describe('the certificate of a video', () => {
  it('is the document of the published generation, as it was written', async () => {
    const response = await certificateOf(await publishVideo());
    expect([response.status, response.headers.get('Content-Type')]).toEqual([200, 'application/json']);
    expect(await response.text()).toBe('{}');
  });

  it('is not there before anything is published', async () => {
    expect(await outcome(await certificateOf(await publishVideo({ isPublished: false })))).toBe(
      '404 not_found',
    );
  });

  it('is not for another owner', async () => {
    expect(await outcome(await certificateOf(await publishVideo(), 'somebody-else'))).toBe('404 not_found');
  });
});

describe('the poster of a video', () => {
  const posterOf = async (video: PublishedVideo, ownerId = video.ownerId, role: Role = 'viewer') => {
    const url = `${ORIGIN}/v1/videos/${video.id}/poster`;
    return (await SELF.fetch(url, { headers: await bearer(ownerId, role) })) as unknown as Response;
  };

  it('is a picture for whoever may see the library, kept by nobody in between', async () => {
    const response = await posterOf(await publishVideo());
    expect([response.status, response.headers.get('Content-Type')]).toEqual([200, 'image/jpeg']);
    expect(response.headers.get('Cache-Control')).toBe('private, max-age=3600');
    expect((await response.arrayBuffer()).byteLength).toBe(500);
  });

  it('is not there before anything is published', async () => {
    expect(await outcome(await posterOf(await publishVideo({ isPublished: false })))).toBe('404 not_found');
  });

  it('is not for another owner', async () => {
    expect(await outcome(await posterOf(await publishVideo(), 'somebody-else', 'admin'))).toBe(
      '404 not_found',
    );
  });
});

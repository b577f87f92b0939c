// The film in one file, as viewers get it: not what is protected, and not above their quality.
import { env, SELF } from 'cloudflare:test';
import { beforeAll, describe, expect, test } from 'vitest';
import { generationPrefix, PROGRESSIVE } from '../../shared/object-keys.ts';
import {
  bytesOf,
  fetchMedia,
  outcome,
  PRESENTATION,
  type PublishedVideo,
  play,
  playToken,
  publishVideo,
} from './playback-fixtures.ts';

let video: PublishedVideo;

beforeAll(async () => {
  video = await publishVideo();
  await env.MEDIA.put(video.prefix + PROGRESSIVE, bytesOf(5000));
  await presented(video, { hasProgressive: true });
});

function presented({ id }: PublishedVideo, more: object) {
  const text = JSON.stringify({ ...PRESENTATION, ...more });
  return env.DB.prepare('UPDATE videos SET presentation = ? WHERE id = ?').bind(text, id).run();
}

describe('progressive.mp4', () => {
  test('is in the answer to a play, and is served whole, in ranges and to HEAD', async () => {
    const { progressive } = await play(video);
    expect(progressive).toMatch(/^https:\/\/reelay\.test\/p\/[^/]+\/hls\/videos\/.*\/progressive\.mp4$/);
    const whole = await SELF.fetch(progressive!);
    expect([whole.status, whole.headers.get('Content-Type')]).toEqual([200, 'video/mp4']);
    expect(whole.headers.get('Content-Disposition')).toBeNull();
    expect(new Uint8Array(await whole.arrayBuffer())).toEqual(bytesOf(5000));
    const part = await SELF.fetch(progressive!, { headers: { Range: 'bytes=-100' } });
    expect([part.status, part.headers.get('Content-Range')]).toEqual([206, 'bytes 4900-4999/5000']);
    expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytesOf(5000).subarray(4900));
    const head = await SELF.fetch(progressive!, { method: 'HEAD' });
    expect([head.status, head.headers.get('Content-Length')]).toEqual([200, '5000']);
  });

  test('is kept from who may not see its quality', async () => {
    expect((await play(video, { maxHeight: 480 })).progressive).toBeUndefined();
    expect((await play(video, { maxHeight: 720 })).progressive).toBeDefined();
    const key = video.prefix + PROGRESSIVE;
    const low = await playToken(video, { maxHeight: 480 });
    expect(await outcome(await fetchMedia(low, key))).toBe('403 playback_outside_token');
    const high = await playToken(video, { maxHeight: 720 });
    expect(await outcome(await fetchMedia(high, key))).toBe('200');
  });

  test('is not announced where there is none, or the video is protected', async () => {
    const plain = await publishVideo();
    expect((await play(plain)).progressive).toBeUndefined();
    await presented(plain, { hasProgressive: true });
    expect((await play(plain)).progressive).toBeDefined();
    const jobId = crypto.randomUUID();
    await env.DB.batch([
      env.DB.prepare('UPDATE videos SET output_prefix = ? WHERE id = ?').bind(
        generationPrefix('video', plain.id, jobId),
        plain.id,
      ),
      env.DB.prepare(
        `INSERT INTO content_keys (job_id, n, scheme, key_id, kek_id, wrapped) VALUES (?, 0, 'aes-128', 'k', 'k', 'w')`,
      ).bind(jobId),
    ]);
    expect((await play(plain)).progressive).toBeUndefined();
  });
});

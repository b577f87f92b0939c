// What apps with Media3, AVPlayer and the players of the web rely on (docs/media3.md, docs/players.md).
import { env, SELF } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import type { PlayAnswer } from '../../shared/play-api.ts';
import {
  bearer,
  fetchMedia,
  ORIGIN,
  outcome,
  type PublishedVideo,
  play,
  playToken,
  post,
  publishVideo,
} from './playback-fixtures.ts';
import { publishProtected, tokenOf } from './protected-fixtures.ts';

const SEGMENT = 'stream_720p_000.m4s';
const CMCD = {
  'CMCD-Object': 'br=2800,d=6000,ot=v,tb=5000',
  'CMCD-Request': 'bl=12000,dl=12000,mtp=9000,su',
  'CMCD-Session': 'cid="film-7",sf=h,sid="6e2fb550-c457-11e9-bb97-0800200c9a66",st=v',
  'CMCD-Status': 'bs,rtp=12000',
};

async function renew(video: PublishedVideo, { sessionId }: PlayAnswer): Promise<PlayAnswer> {
  const answer = await post(`/v1/sessions/${sessionId}/renew`, await bearer(video.ownerId));
  return (await answer.json()) as PlayAnswer;
}

/** What docs/media3.md takes for the key of a cache: the URL without its token. */
const cacheKeyOf = (url: string) => url.replace(/\/p\/[^/]+\//, '/p/');

describe('an app', () => {
  it('keeps what it has of a video under URLs without their token, whatever the session', async () => {
    const video = await publishVideo();
    const [first, second] = [await play(video, { deviceId: 'phone' }), await play(video, { deviceId: 'tv' })];
    const renewed = await renew(video, first);
    expect(renewed.expiresAt >= first.expiresAt).toBe(true);
    for (const name of ['hls', 'dash', 'poster', 'storyboard'] as const) {
      const keys = [first, second, renewed].map((answer) => cacheKeyOf(answer[name]!));
      expect(new Set(keys).size, name).toBe(1);
      expect(keys[0]).not.toContain(tokenOf(first));
    }
    expect(tokenOf(second)).not.toBe(tokenOf(first));
    const other = await play(await publishVideo());
    expect(cacheKeyOf(other.hls!)).not.toBe(cacheKeyOf(first.hls!));
  });

  it('goes on with any URL it has when it puts a new token in the place of the old', async () => {
    const video = await publishVideo();
    const answer = await play(video);
    const old = await playToken(video, { sid: answer.sessionId, exp: Math.floor(Date.now() / 1000) - 1 });
    const url = `${ORIGIN}/p/${old}/${video.prefix}${SEGMENT}`;
    const fetched = async (from: string) => (await SELF.fetch(from)) as unknown as Response;
    expect(await outcome(await fetched(url))).toBe('401 playback_token_expired');
    const fresh = tokenOf(await renew(video, answer));
    expect(await outcome(await fetched(url.replace(old, fresh)))).toBe('200');
    expect(await outcome(await fetched(url))).toBe('401 playback_token_expired');
  });

  it('resumes a download under another token where it stopped, byte for byte', async () => {
    const video = await publishVideo();
    const [one, other] = [tokenOf(await play(video)), tokenOf(await play(video))];
    const key = video.prefix + SEGMENT;
    const whole = await fetchMedia(one, key);
    const etag = whole.headers.get('ETag')!;
    const bytes = new Uint8Array(await whole.arrayBuffer());
    const rest = await fetchMedia(other, key, { headers: { Range: 'bytes=400-', 'If-Range': etag } });
    expect([rest.status, rest.headers.get('Content-Range')]).toEqual([206, `bytes 400-999/${bytes.length}`]);
    expect(new Uint8Array(await rest.arrayBuffer())).toEqual(bytes.subarray(400));
    // Asked again from its end, Media3 takes this for the end of the file.
    const past = await fetchMedia(other, key, { headers: { Range: 'bytes=1000-' } });
    expect(past.headers.get('Content-Range')).toBe('bytes */1000');
    expect(await outcome(past)).toBe('416 range_not_satisfiable');
  });

  it('may say by CMCD how it plays, in headers or in the query, and gets the same bytes', async () => {
    const video = await publishVideo();
    const token = tokenOf(await play(video));
    const key = video.prefix + SEGMENT;
    const query = `?CMCD=${encodeURIComponent(Object.values(CMCD).join(','))}`;
    const answers = [
      await fetchMedia(token, key),
      await fetchMedia(token, key, { headers: CMCD }),
      await fetchMedia(token, key + query),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(new Set(answers.map(({ headers }) => headers.get('ETag'))).size).toBe(1);
  });

  it('gets media as it is stored, however it would like it compressed', async () => {
    const video = await publishVideo();
    const token = tokenOf(await play(video));
    for (const name of [SEGMENT, 'master.m3u8', 'manifest.mpd']) {
      const { headers } = await fetchMedia(token, video.prefix + name, {
        headers: { 'Accept-Encoding': 'gzip, br' },
      });
      expect([headers.get('Content-Encoding'), headers.get('Cache-Control')]).toEqual([
        ...[null, expect.stringContaining('no-transform')],
      ]);
      expect(Number(headers.get('Content-Length'))).toBeGreaterThan(0);
    }
  });

  it('finds the pictures for scrubbing in the MPD, as sheets that its token covers', async () => {
    const video = await publishVideo();
    const { dash, storyboard } = await play(video);
    const mpd = await (await SELF.fetch(dash!)).text();
    const [, set] = /<AdaptationSet ([^>]*contentType="image"[\s\S]*?)<\/AdaptationSet>/.exec(mpd)!;
    expect(set).toContain('http://dashif.org/guidelines/thumbnail_tile" value="3x1"');
    const media = /media="([^"]+)"/.exec(set!)![1]!;
    const start = Number(/startNumber="(\d+)"/.exec(set!)?.[1] ?? 1);
    const name = media.replace('$Number%03d$', String(start).padStart(3, '0'));
    const sheet = await SELF.fetch(new URL(name, dash).href);
    expect([sheet.status, sheet.headers.get('Content-Type')]).toEqual([200, 'image/jpeg']);
    await sheet.arrayBuffer();
    const vtt = await SELF.fetch(storyboard!);
    expect(vtt.headers.get('Content-Type')).toContain('text/vtt');
    await vtt.text();
  });

  it('is told by its status what to do: a new token, another place, or patience', async () => {
    const [video, other] = [await publishVideo(), await publishVideo()];
    const of = async (claims: object, key = video.prefix + SEGMENT) =>
      outcome(await fetchMedia(await playToken(video, claims), key));
    expect(await of({})).toBe('200');
    // Retried by Media3, which asks its resolver for the URL again.
    expect(await of({ exp: 1 })).toBe('401 playback_token_expired');
    // Not retried: the track is dropped for a minute.
    expect(await of({}, other.prefix + SEGMENT)).toBe('403 playback_outside_token');
    expect(await of({}, `${video.prefix}stream_720p_999.m4s`)).toBe('404 not_found');
  });

  it('asks for its licence again after renewal, with the header of its device', async () => {
    const video = await publishProtected('cenc');
    const answer = await play(video, { deviceId: 'phone-1' });
    const renewed = await renew(video, answer);
    expect(renewed.drm!.headers).toEqual({ 'X-Device-ID': 'phone-1' });
    for (const { drm } of [answer, renewed]) {
      const ask = async (headers: Record<string, string>) =>
        outcome(
          (await SELF.fetch(drm!.licenseUrl, {
            ...{ method: 'POST', headers, body: JSON.stringify({ kids: [video.kid] }) },
          })) as unknown as Response,
        );
      expect(await ask(drm!.headers)).toBe('200');
      expect(await ask({})).toBe('403 license_device_mismatch');
    }
  });

  it('asks how far a video is without a webhook', async () => {
    const [ready, made] = [await publishVideo(), await publishVideo({ isPublished: false })];
    const stateOf = async ({ id, ownerId }: PublishedVideo) => {
      const answer = await SELF.fetch(`${ORIGIN}/v1/videos/${id}`, { headers: await bearer(ownerId) });
      return ((await answer.json()) as { state: string }).state;
    };
    expect([await stateOf(ready), await stateOf(made)]).toEqual(['ready', 'processing']);
    const early = await post(`/v1/videos/${made.id}/play`, await bearer(made.ownerId));
    expect(Number(early.headers.get('Retry-After'))).toBeGreaterThan(0);
    expect(await outcome(early as unknown as Response)).toBe('409 video_not_playable');
    await env.DB.prepare(
      `UPDATE videos SET (state, output_prefix, presentation) =
         (SELECT state, ?, presentation FROM videos WHERE id = ?) WHERE id = ?`,
    )
      .bind(made.prefix, ready.id, made.id)
      .run();
    expect((await play(made)).hls).toContain(made.prefix);
  });
});

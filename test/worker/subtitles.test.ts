import { env, SELF } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import type { Video } from '../../shared/api.ts';
import type { ManifestTracks } from '../../shared/manifest-tracks.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';
import type { SubtitleInfo } from '../../shared/subtitle-api.ts';
import { reviseStaleManifests } from '../../worker/jobs/manifest-revision.ts';
import {
  addJob,
  clearTasks,
  finishTask,
  env as fullEnv,
  log,
  mustClaim,
  PRESENTATION,
  planned,
  told,
} from './ledger-fixtures.ts';
import {
  AUDIO,
  bearer,
  fetchMedia,
  MASTER,
  MPD,
  ORIGIN,
  outcome,
  type PublishedVideo,
  play,
  publishVideo,
  VIDEO,
} from './playback-fixtures.ts';

const SRT = '1\n00:00:01,000 --> 00:00:02,500\nHello <script>alert(1)</script>\n';
const TRACKS: ManifestTracks = { video: VIDEO, audio: AUDIO, subtitles: [] };
async function subtitledVideo(options: { isPublished?: boolean } = {}): Promise<PublishedVideo> {
  const video = await publishVideo(options);
  await env.MEDIA.put(`${video.prefix}tracks.json`, JSON.stringify(TRACKS));
  return video;
}

async function send(
  video: PublishedVideo,
  query: string,
  body: BodyInit = SRT,
  headers: Record<string, string> = {},
): Promise<Response> {
  return (await SELF.fetch(`${ORIGIN}/v1/videos/${video.id}/subtitles?${query}`, {
    method: 'POST',
    headers: { ...(await bearer(video.ownerId, 'uploader')), ...headers },
    body: body as never,
  })) as unknown as Response;
}

async function added(video: PublishedVideo, query: string, body?: BodyInit): Promise<SubtitleInfo> {
  const response = await send(video, query, body);
  expect(response.status).toBe(201);
  return response.json();
}

async function remove(video: PublishedVideo, name: string): Promise<Response> {
  return (await SELF.fetch(`${ORIGIN}/v1/videos/${video.id}/subtitles/${name}`, {
    method: 'DELETE',
    headers: await bearer(video.ownerId, 'uploader'),
  })) as unknown as Response;
}

async function shown(video: PublishedVideo): Promise<Video> {
  const headers = await bearer(video.ownerId);
  return (await SELF.fetch(`${ORIGIN}/v1/videos/${video.id}`, { headers })).json();
}

async function text(url: string | undefined): Promise<string> {
  const response = await SELF.fetch(url!);
  expect(response.status).toBe(200);
  return response.text();
}

function siblings(url: string | undefined, name: string): string {
  return new URL(name, url).href;
}

describe('POST /v1/videos/:id/subtitles', () => {
  test('is in the manifests of the next play session, made safe', async () => {
    const video = await subtitledVideo();
    const track = await added(video, 'language=ger&label=Deutsch&default=true');
    expect(track).toEqual({
      ...{ name: 'de_r1', language: 'de', label: 'Deutsch', origin: 'upload' },
      ...{ isDefault: true, isForced: false, isCaptions: false },
    });
    expect((await shown(video)).subtitles).toEqual([track]);

    const { hls, dash } = await play(video);
    expect(hls).toMatch(/\/master_r1\.m3u8$/);
    const master = await text(hls);
    expect(master).toContain(
      '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subtitles",NAME="Deutsch",LANGUAGE="de",DEFAULT=YES,AUTOSELECT=YES,FORCED=NO,URI="subtitles_de_r1.m3u8"',
    );
    expect(master.match(/SUBTITLES="subtitles"/g)).toHaveLength(VIDEO.length);
    expect(await text(dash)).toContain('<BaseURL>subtitles_de_r1.vtt</BaseURL>');
    expect(await text(siblings(hls, 'subtitles_de_r1.m3u8'))).toContain(
      '#EXTINF:12.000000,\nsubtitles_de_r1.vtt',
    );
    expect(await text(siblings(hls, 'subtitles_de_r1.vtt'))).toBe(
      'WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello alert(1)\n',
    );
  });

  test('leaves a running session with the manifests it began with, also when it renews', async () => {
    const video = await subtitledVideo();
    const before = await play(video);
    await added(video, 'language=en');
    const renewed = (await (
      await SELF.fetch(`${ORIGIN}/v1/sessions/${before.sessionId}/renew`, {
        method: 'POST',
        headers: await bearer(video.ownerId),
      })
    ).json()) as PlayAnswer;
    expect(new URL(renewed.hls!).pathname.split('/').slice(3)).toEqual(
      new URL(before.hls!).pathname.split('/').slice(3),
    );
    expect(await text(renewed.hls)).toBe(MASTER);
    expect((await play(video)).hls).toMatch(/master_r1\.m3u8$/);
  });

  test('loses none of those that come at the same time', async () => {
    const video = await subtitledVideo();
    const languages = ['en', 'de', 'fr', 'es', 'it', 'pt', 'nl', 'pl'];
    await Promise.all(languages.map((language) => added(video, `language=${language}`)));
    const master = await text((await play(video)).hls);
    const listed = [...master.matchAll(/TYPE=SUBTITLES.*LANGUAGE="(\w+)"/g)].map(([, language]) => language);
    expect(listed.sort()).toEqual(languages.toSorted());
  });

  test('gives the default to the newest that asks for it', async () => {
    const video = await subtitledVideo();
    await added(video, 'language=en&default=true');
    await added(video, 'language=de&default=true');
    const master = await text((await play(video)).hls);
    expect(master).toMatch(/TYPE=SUBTITLES.*LANGUAGE="en",DEFAULT=NO/);
    expect(master).toMatch(/TYPE=SUBTITLES.*LANGUAGE="de",DEFAULT=YES/);
  });

  test('keeps the quality cap of a token', async () => {
    const video = await subtitledVideo();
    await added(video, 'language=en');
    const { hls, dash } = await play(video, { maxHeight: 480 });
    for (const url of [hls, dash]) {
      const manifest = await text(url);
      expect(manifest).not.toContain('stream_720p');
      expect(manifest).toContain('stream_480p');
      expect(manifest).toContain('subtitles_en_r1');
    }
  });

  test('reads UTF-16 and Latin-1', async () => {
    const video = await subtitledVideo();
    const words = '1\n00:00:01,000 --> 00:00:02,000\nGrüße\n';
    const utf16 = Uint8Array.from([0xff, 0xfe, ...[...words].flatMap((c) => [c.charCodeAt(0), 0])]);
    await added(video, 'language=de', utf16);
    await added(
      video,
      'language=de',
      Uint8Array.from(words, (c) => c.charCodeAt(0)),
    );
    const { hls } = await play(video);
    for (const name of ['subtitles_de_r1.vtt', 'subtitles_de_r2.vtt']) {
      expect(await text(siblings(hls, name))).toContain('Grüße');
    }
  });

  test.each([
    {
      what: 'a picture',
      body: Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 1, 2, 0, 3]),
      code: '422 subtitles_invalid',
    },
    { what: 'prose', body: 'Once upon a time', code: '422 subtitles_invalid' },
    { what: 'nothing', body: '', code: '422 subtitles_invalid' },
    {
      what: 'a cue that ends before it begins',
      body: SRT.replace('02,500', '00,500'),
      code: '422 subtitles_invalid',
    },
    { what: 'a cue', body: SRT, code: '201' },
    { what: 'more than 2 MiB', body: SRT.padEnd(2 * 1024 * 1024 + 1), code: '413 upload_body_too_large' },
    { what: 'just 2 MiB', body: SRT.padEnd(2 * 1024 * 1024), code: '201' },
  ])('answers $code to $what', async ({ body, code }) => {
    expect(await outcome(await send(await subtitledVideo(), 'language=en', body))).toBe(code);
  });

  test.each([
    { query: 'language=english-language', code: '400 invalid_request' },
    { query: '', code: '400 invalid_request' },
    { query: 'language=en&default=perhaps', code: '400 invalid_request' },
    { query: 'language=en&default=false', code: '201' },
  ])('answers $code to ?$query', async ({ query, code }) => {
    expect(await outcome(await send(await subtitledVideo(), query))).toBe(code);
  });

  test("is not for viewers, nor for another's video", async () => {
    const video = await subtitledVideo();
    expect(await outcome(await send(video, 'language=en', SRT, await bearer(video.ownerId, 'viewer')))).toBe(
      '403 forbidden',
    );
    expect(await outcome(await send(video, 'language=en', SRT, await bearer('somebody', 'uploader')))).toBe(
      '404 not_found',
    );
  });

  test('with an Idempotency-Key adds one track, however often it is sent', async () => {
    const video = await subtitledVideo();
    const headers = { 'Idempotency-Key': crypto.randomUUID() };
    const first = await (await send(video, 'language=en', SRT, headers)).json();
    const second = await (await send(video, 'language=en', SRT, headers)).json();
    expect(second).toEqual(first);
    expect((await shown(video)).subtitles).toHaveLength(1);
  });

  test('waits for a video that is not published yet', async () => {
    const video = await subtitledVideo({ isPublished: false });
    await added(video, 'language=en');
    expect((await shown(video)).subtitles).toMatchObject([{ name: 'en_r1' }]);
    expect(await env.MEDIA.head(`${video.prefix}master_r1.m3u8`)).toBeNull();
  });

  test('is made good by the sweeper where its manifests failed', async () => {
    const video = await publishVideo();
    await added(video, 'language=en');
    expect((await play(video)).hls).toMatch(/master\.m3u8$/);
    await env.MEDIA.put(`${video.prefix}tracks.json`, JSON.stringify(TRACKS));
    await reviseStaleManifests(fullEnv, log);
    expect((await play(video)).hls).toMatch(/master_r1\.m3u8$/);
  });
});

describe('DELETE /v1/videos/:id/subtitles/:name', () => {
  test('takes the track out of the next session and leaves the running one alone', async () => {
    const video = await subtitledVideo();
    await added(video, 'language=en');
    await added(video, 'language=de');
    const running = await play(video);
    expect((await remove(video, 'en_r1')).status).toBe(204);
    expect((await shown(video)).subtitles.map(({ name }) => name)).toEqual(['de_r2']);
    const master = await text((await play(video)).hls);
    expect(master).not.toContain('en_r1');
    expect(master).toContain('subtitles_de_r2');
    expect(await text(siblings(running.hls, 'subtitles_en_r1.vtt'))).toContain('WEBVTT');
  });

  test('knows what is not there from what came with the file', async () => {
    const video = await subtitledVideo();
    const subtitles = [{ ...(await added(video, 'language=en')), name: 'fr', origin: 'file' }];
    await env.DB.prepare('UPDATE videos SET presentation = json_set(presentation, ?, json(?)) WHERE id = ?')
      .bind('$.subtitles', JSON.stringify(subtitles), video.id)
      .run();
    expect(await outcome(await remove(video, 'fr'))).toBe('409 subtitles_of_file');
    expect(await outcome(await remove(video, 'fr_r7'))).toBe('404 not_found');
    expect(await outcome(await remove(video, 'en_r1'))).toBe('204');
  });
});

test('subtitles stay with a video that is transcoded again', async () => {
  const video = await subtitledVideo();
  await added(video, 'language=en');
  await clearTasks();
  const job = await addJob(video.id, video.ownerId);
  const prefix = `hls/movies/${video.id}/${job.jobId}/`;
  await planned(job, [1]);
  await finishTask(await mustClaim(), 1);
  const generation = { 'tracks.json': JSON.stringify(TRACKS), 'master.m3u8': MASTER, 'manifest.mpd': MPD };
  for (const [name, body] of Object.entries(generation)) await env.MEDIA.put(prefix + name, body);
  await told('publish', (await mustClaim()).jobToken, { presentation: PRESENTATION });
  const { hls } = await play(video);
  expect(hls).toContain(`${prefix}master_r1.m3u8`);
  expect(await text(hls)).toContain('subtitles_en_r1.m3u8');
  expect(await text(siblings(hls, 'subtitles_en_r1.vtt'))).toContain('Hello');
});

test('a generation without an MPD gets none', async () => {
  const video = await subtitledVideo();
  await env.MEDIA.delete(`${video.prefix}manifest.mpd`);
  await added(video, 'language=en');
  expect(await env.MEDIA.head(`${video.prefix}manifest_r1.mpd`)).toBeNull();
  expect(await env.MEDIA.head(`${video.prefix}master_r1.m3u8`)).not.toBeNull();
});

test('only names of subtitles and manifests are media: the tracks behind them are not', async () => {
  const video = await subtitledVideo();
  await added(video, 'language=en');
  const token = /\/p\/([^/]+)\//.exec((await play(video)).hls!)![1]!;
  const answers = await Promise.all(
    ['tracks.json', 'master_r1.m3u8', 'manifest_r1.mpd', 'subtitles_en_r1.vtt', 'master_r01.m3u8'].map(
      async (name) => outcome(await fetchMedia(token, video.prefix + name)),
    ),
  );
  expect(answers).toEqual(['404 not_found', '200', '200', '200', '404 not_found']);
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { type Api, type Json, jobEnd, uploadFile } from '../support/api.ts';
import { readTexts } from '../support/captions.ts';
import { ffmpeg, makeFolder } from '../support/media.ts';

// A film in two languages, one of them with surround sound, with subtitles and chapters; more subtitles come later.

export type Stage = { api: Api; browser: Browser; playersUrl: string };

/** The tests of this story, on a stack that somebody else starts and stops. */
export function tellTexts(hasBrowser: boolean, stage: () => Stage): void {
  let urls: Json;
  let videoId: string;

  beforeAll(async () => {
    const { api } = stage();
    const path = await makeFilm(await makeFolder('texts'));
    const film = await uploadFile(api, path, 'single', { preset: 'ultrafast', segmentSeconds: 4 });
    videoId = film.videoId;
    expect((await jobEnd(api, film.jobId)).error).toBeUndefined();
    const german =
      '1\n00:00:01,000 --> 00:00:02,000\nAnfang\n\n2\n00:00:06,000 --> 00:00:08,000\nGrüß <b>Gott</b>\n';
    const endpoint = `/v1/videos/${videoId}/subtitles?language=de&label=Deutsch`;
    await api.call(endpoint, { method: 'POST', body: german });
    urls = await api.call(`/v1/videos/${videoId}/play`, { method: 'POST', json: {} });
  });

  it('is listed with its languages, subtitles and chapters', async () => {
    const video = await stage().api.call(`/v1/videos/${videoId}`);
    expect(video.audio.map(({ name, channels }: Json) => [name, channels])).toEqual([
      ['en', 2],
      ['de', 2],
      ['en_51', 6],
    ]);
    expect(video.subtitles.map(({ name, label, origin }: Json) => [name, label, origin])).toEqual([
      ['en', 'English', 'file'],
      ['de_r1', 'Deutsch', 'upload'],
    ]);
    expect(video.chapters).toEqual([
      { startSeconds: 0, endSeconds: 5, title: 'One' },
      { startSeconds: 5, endSeconds: 12, title: 'Two & last' },
    ]);
    expect(await (await fetch(urls.chapters)).text()).toContain(
      '00:00:05.000 --> 00:00:12.000\nTwo &amp; last',
    );
  });

  it.skipIf(!hasBrowser).each([
    { player: 'hls.js', manifest: 'hls', subtitles: 'en', cue: 'Hello' },
    { player: 'hls.js', manifest: 'hls', subtitles: 'de', cue: 'Grüß <b>Gott</b>' },
    { player: 'shaka', manifest: 'hls', subtitles: 'en', cue: 'Hello' },
    { player: 'shaka', manifest: 'dash', subtitles: 'de', cue: 'Grüß <b>Gott</b>' },
  ] as const)(
    '$player shows $subtitles from $manifest and changes the language of the sound',
    async (one) => {
      const wanted = { subtitles: one.subtitles, sound: 'de', atSeconds: 6.5 };
      const report = await readTexts(
        stage().browser,
        stage().playersUrl,
        one.player,
        urls[one.manifest],
        wanted,
      );
      expect(report.failures).toEqual([]);
      expect(report.subtitleLanguages).toEqual(['de', 'en']);
      expect(report.audioLanguages).toEqual(['de', 'en']);
      expect(report.channels).toBe(2);
      // Shaka splits styled cues into parts of their own.
      expect(report.cue.replaceAll(/<\/?b>/g, '')).toContain(one.cue.replaceAll(/<\/?b>/g, ''));
      expect(report.secondsAfterSwitch).toBeGreaterThan(0.5);
      expect(report.soundFiles).toContain('audio_de');
    },
  );
}

async function makeFilm(folder: string): Promise<string> {
  const [srt, meta, path] = ['en.srt', 'chapters.txt', 'film.mkv'].map((name) => join(folder, name));
  await writeFile(
    srt!,
    '1\n00:00:01,000 --> 00:00:02,000\nStart\n\n2\n00:00:06,000 --> 00:00:08,000\nHello\n',
  );
  const chapter = (start: number, end: number, title: string) =>
    `[CHAPTER]\nTIMEBASE=1/1\nSTART=${start}\nEND=${end}\ntitle=${title}\n`;
  await writeFile(meta!, `;FFMETADATA1\n${chapter(0, 5, 'One')}${chapter(5, 12, 'Two & last')}`);
  await ffmpeg([
    ...['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25:d=12', '-i', srt!, '-i', meta!],
    ...['-f', 'lavfi', '-i', 'sine=f=440:d=12:r=48000,pan=5.1|FC=c0|BL=c0'],
    ...['-f', 'lavfi', '-i', 'sine=f=880:d=12:r=48000'],
    ...['-map', '0', '-map', '3', '-map', '4', '-map', '1', '-map_chapters', '2'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '50'],
    ...['-c:a', 'ac3', '-ac:a:1', '2', '-c:s', 'srt', '-disposition:s:0', '0'],
    ...['-metadata:s:a:0', 'language=eng', '-metadata:s:a:1', 'language=ger'],
    ...['-metadata:s:s:0', 'language=eng', path!],
  ]);
  return path!;
}

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page, Response } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VideoAnalytics } from '../../shared/analytics-api.ts';
import { type Api, type Json, uploadFile } from '../support/api.ts';
import { ffmpeg, makeFolder } from '../support/media.ts';
import { graveViolations, openStudio } from '../support/studio-page.ts';

// The page of one film in two languages: watched while it is made, used as a person uses it, and deleted in the end.

export type VideoStage = { api: Api; browser: Browser };

/** A copy of it is playable at once; its ladder takes longer than a player to begin. */
const FILM_SECONDS = 36;
const LADDER = [
  { shortSidePixels: 180, maxBitrateBps: 300_000 },
  { shortSidePixels: 270, maxBitrateBps: 600_000 },
];

/** @param stage a stack and a browser that somebody else starts and stops */
export function videoCases(stage: () => VideoStage): void {
  describe('the page of a video', () => {
    let page: Page;
    let videoId: string;
    const videoState = async () => (await stage().api.call(`/v1/videos/${videoId}`)).state;

    beforeAll(async () => {
      const { api, browser } = stage();
      const film = await makeFilm(await makeFolder('studio-video'));
      const choices = { title: 'Two languages', preset: 'medium', segmentSeconds: 2, ladder: LADDER };
      ({ videoId } = (await uploadFile(api, film, 'single', choices)) as { videoId: string });
      page = await openStudio(browser, api, `videos/${videoId}`);
    });

    afterAll(async () => {
      await page?.close();
    });

    it('plays while it is still made, and goes on in what is published', async () => {
      await page.locator('.badge', { hasText: 'Playable' }).waitFor();
      await page.locator('media-play-button').click();
      await until(page, ({ seconds }) => seconds > 0.3);
      // Of the copy there is one quality, of what is published there are two.
      expect((await playing(page)).heights).toHaveLength(1);
      // It would come to its end on a busy machine.
      await page.keyboard.press('Space');
      await until(page, ({ isPaused }) => isPaused);
      const before = await playing(page);
      await page.locator('.badge', { hasText: 'Ready' }).waitFor({ timeout: 120_000 });
      await until(page, ({ heights }) => heights.length === 2);
      expect((await playing(page)).heights.toSorted()).toEqual([180, 270]);
      await until(page, ({ seconds }) => Math.abs(seconds - before.seconds) < 0.1);
      await page.keyboard.press('Space');
      await until(page, ({ seconds }) => seconds > before.seconds + 0.3);
    }, 300_000);

    it('seeks where the scrubber is clicked, above which a picture of the storyboard is seen', async () => {
      await page.evaluate(() => document.querySelector('video')?.pause());
      await until(page, ({ isPaused }) => isPaused);
      const { x, y, width, height } = (await page.locator('media-time-range').boundingBox())!;
      const preview = page.locator('media-preview-thumbnail');
      // Above a mouse that came before the storyboard there is no picture until it moves.
      const hover = async (pixels: number) => {
        await page.mouse.move(x + width * 0.75 + pixels, y + height / 2);
        return preview.getAttribute('mediapreviewimage');
      };
      const within = { timeout: 30_000 };
      let moves = 0;
      await expect.poll(() => hover(moves++ % 2), within).toMatch(/\/thumb_\d+\.jpg#xywh=/);
      await expect.poll(() => preview.isVisible(), within).toBe(true);
      const image = new URL((await preview.getAttribute('mediapreviewimage'))!);
      expect((await fetch(image)).headers.get('content-type')).toBe('image/jpeg');
      await page.mouse.click(x + width * 0.75, y + height / 2);
      await until(page, ({ seconds }) => Math.abs(seconds - FILM_SECONDS * 0.75) < 1);
    });

    it('changes the language of the sound, the captions and the quality by its menus', async () => {
      expect((await playing(page)).sound).toBe('English');
      await choose(page, 'media-audio-track-menu', 'German');
      await until(page, ({ sound }) => sound === 'German');
      await choose(page, 'media-captions-menu', 'German');
      await until(page, ({ cue }) => cue === 'Der ganze Film');
      await choose(page, 'media-captions-menu', 'English');
      await until(page, ({ cue }) => cue === 'All of the film');
      await choose(page, 'media-rendition-menu', '180p');
      await page.evaluate(() => document.querySelector('video')?.play());
      await until(page, ({ pictureHeight, seconds }) => pictureHeight === 180 && seconds > 0);
    });

    it('obeys the keyboard', async () => {
      await page.locator('media-play-button').focus();
      await page.keyboard.press('m');
      await until(page, ({ isMuted }) => isMuted);
      await page.keyboard.press('>');
      await until(page, ({ rate }) => rate === 1.25);
      await page.keyboard.press('c');
      await until(page, ({ cue }) => cue === '');
      const { seconds } = await playing(page);
      await page.keyboard.press('ArrowLeft');
      await until(page, (now) => now.seconds < seconds - 2);
    });

    it('shows in figures and charts what the API tells', async () => {
      const { api } = stage();
      await expect
        .poll(async () => (await api.call(`/v1/videos/${videoId}/analytics`)).sessions, { timeout: 90_000 })
        .toBeGreaterThan(0);
      const isAnswer = (response: Response) => response.url().includes(`/${videoId}/analytics`);
      const [answer] = await Promise.all([
        page.waitForResponse(isAnswer),
        page.getByRole('tab', { name: 'Analytics' }).click(),
      ]);
      const told = (await answer.json()) as VideoAnalytics;
      await page.getByText('As a table').click();
      const rows = page.getByRole('region', { name: 'Drop-off' }).locator('tbody tr td');
      expect(await rows.allTextContents()).toEqual(told.dropOff.map(shareText));
      const figures = await figuresOf(page);
      expect(figures).toMatchObject({
        Views: String(told.views),
        Viewers: String(told.uniqueViewers),
        Completed: shareText(told.completionRate),
        Sessions: String(told.qoe.sessions),
        Rebuffering: told.qoe.rebufferRatio === undefined ? '–' : shareText(told.qoe.rebufferRatio),
        'Start-up, 95%': told.qoe.startup ? `${told.qoe.startup.p95Ms} ms` : '–',
      });
      expect(told.sessions).toBeGreaterThan(0);
    });

    it('has no serious trouble for screen readers', async () => {
      for (const name of ['Analytics', 'Subtitles', 'Certificate']) {
        await page.getByRole('tab', { name }).click();
        await page.getByRole('tabpanel', { name }).waitFor();
        expect(await graveViolations(page), name).toEqual([]);
      }
    });

    it('deletes the video once that is confirmed', async () => {
      await page.getByRole('button', { name: 'Delete' }).click();
      expect(await videoState()).toBe('ready');
      await page.getByRole('button', { name: 'Delete for good' }).click();
      await page.waitForURL(/#\/library/);
      expect((await stage().api.request(`/v1/videos/${videoId}`)).status).toBe(404);
    });
  });
}

type Playing = {
  seconds: number;
  isPaused: boolean;
  isMuted: boolean;
  rate: number;
  pictureHeight: number;
  /** Of the qualities there are. */
  heights: number[];
  sound: string;
  cue: string;
};

function playing(page: Page): Promise<Playing> {
  return page.evaluate(() => {
    type Listed = { height: number; label: string; enabled: boolean };
    const video = document.querySelector('video') as HTMLVideoElement & {
      videoRenditions: Listed[];
      audioTracks: Listed[];
    };
    const showing = [...video.textTracks].filter(({ mode }) => mode === 'showing');
    return {
      seconds: video.currentTime,
      isPaused: video.paused,
      isMuted: video.muted,
      rate: video.playbackRate,
      pictureHeight: video.videoHeight,
      heights: video.videoRenditions.map(({ height }) => height),
      sound: [...video.audioTracks].find(({ enabled }) => enabled)?.label ?? '',
      cue: showing
        .flatMap(({ activeCues }) => [...(activeCues ?? [])])
        .map((cue) => (cue as VTTCue).text)
        .join(),
    };
  });
}

async function until(page: Page, isTrue: (now: Playing) => boolean): Promise<void> {
  let last: Playing | undefined;
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    last = await playing(page);
    if (isTrue(last)) return;
    await page.waitForTimeout(100);
  }
  throw new Error(`waited for ${isTrue}, and it was ${JSON.stringify(last)}`);
}

async function choose(page: Page, menu: string, text: string): Promise<void> {
  await page.locator(`${menu}-button`).click();
  await page.locator(`${menu} media-chrome-menu-item`, { hasText: text }).click();
}

async function figuresOf(page: Page): Promise<Json> {
  const figures = await page
    .locator('.figure')
    .evaluateAll((all) =>
      all.map((one) => [
        one.querySelector('dt')?.textContent ?? '',
        one.querySelector('dd')?.textContent ?? '',
      ]),
    );
  return Object.fromEntries(figures);
}

function shareText(share: number): string {
  return `${Number((100 * share).toFixed(2))}%`;
}

/** MP4 with H.264 and AAC, so that a copy of it can be watched at once. */
async function makeFilm(folder: string): Promise<string> {
  const path = join(folder, 'film.mp4');
  const texts = { en: 'All of the film', de: 'Der ganze Film' };
  const files = Object.keys(texts).map((language) => join(folder, `${language}.srt`));
  for (const [index, text] of Object.values(texts).entries()) {
    await writeFile(files[index]!, `1\n00:00:00,000 --> 00:00:${FILM_SECONDS},000\n${text}\n`);
  }
  await ffmpeg([
    ...['-f', 'lavfi', '-i', `testsrc2=s=480x270:r=25:d=${FILM_SECONDS}`],
    ...['-f', 'lavfi', '-i', `sine=f=440:d=${FILM_SECONDS}:r=48000`],
    ...['-f', 'lavfi', '-i', `sine=f=1320:d=${FILM_SECONDS}:r=48000`],
    ...files.flatMap((file) => ['-i', file]),
    ...[0, 1, 2, 3, 4].flatMap((input) => ['-map', String(input)]),
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '50', '-b:v', '500k'],
    ...['-maxrate', '600k', '-bufsize', '300k', '-c:a', 'aac', '-ac', '2', '-c:s', 'mov_text'],
    ...['-metadata:s:a:0', 'language=eng', '-metadata:s:a:1', 'language=ger'],
    ...['-metadata:s:s:0', 'language=eng', '-metadata:s:s:1', 'language=ger', '-disposition:s:0', '0', path],
  ]);
  return path;
}

// A film for players to choose from: two rungs, sound in two languages and subtitles in both, encoded once per
// protection, and once with rungs of other codecs.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Api, type Json, jobEnd, uploadFile } from './api.ts';
import { ffmpeg, makeFolder } from './media.ts';

export const FILM_SECONDS = 12;
export const FILM_FRAMES = FILM_SECONDS * 25;
export const LOW_HEIGHT = 180;
export const HIGH_HEIGHT = 360;

/** What tells a language: the pitch of its tone, and the text of its one cue from second 1 to the end. */
export const LANGUAGES = {
  en: { toneHz: 440, cue: 'All of the film' },
  de: { toneHz: 1320, cue: 'Der ganze Film' },
} as const;
export type Language = keyof typeof LANGUAGES;

export type Making = 'none' | 'aes-128' | 'cenc' | 'other-codecs';

const LADDER = [LOW_HEIGHT, HIGH_HEIGHT].map((height) => ({
  shortSidePixels: height,
  maxBitrateBps: height * 3000,
}));
const CHOICES = { preset: 'ultrafast', segmentSeconds: 2, ladder: LADDER };
const OWN_CHOICES: Record<Making, Json> = {
  none: {},
  'aes-128': { protection: 'aes-128', keyRotationSegments: 2 },
  cenc: { protection: 'cenc' },
  'other-codecs': {
    extraRungs: ['libsvtav1', 'libx265'].flatMap((encoder) => LADDER.map((row) => ({ ...row, encoder }))),
  },
};

/** Uploads the film for each way of making it. @returns the ids of the videos when all are ready */
export async function uploadFilms(api: Api, film: string): Promise<Record<Making, string>> {
  const uploadAs = async (making: Making) => {
    const choices = { ...CHOICES, ...OWN_CHOICES[making] };
    const { videoId, jobId } = await uploadFile(api, film, 'single', choices);
    const job = await jobEnd(api, jobId);
    if (job.state !== 'succeeded') throw new Error(`${making}: ${JSON.stringify(job.error)}`);
    return videoId as string;
  };
  const [none, aes, cenc, otherCodecs] = await Promise.all([
    uploadAs('none'),
    uploadAs('aes-128'),
    uploadAs('cenc'),
    uploadAs('other-codecs'),
  ]);
  return { none, 'aes-128': aes, cenc, 'other-codecs': otherCodecs };
}

/** @returns its path */
export async function makeFilm(): Promise<string> {
  const folder = await makeFolder('players');
  const path = join(folder, 'film.mkv');
  const languages = Object.entries(LANGUAGES);
  const texts = languages.map(([language]) => join(folder, `${language}.srt`));
  for (const [index, [, { cue }]] of languages.entries()) {
    await writeFile(texts[index]!, `1\n00:00:01,000 --> 00:00:${FILM_SECONDS},000\n${cue}\n`);
  }
  const tone = (hertz: number) => `sine=f=${hertz}:d=${FILM_SECONDS}:r=48000,pan=stereo|c0=c0|c1=c0`;
  await ffmpeg([
    ...['-f', 'lavfi', '-i', `testsrc2=s=640x360:r=25:d=${FILM_SECONDS}`],
    ...languages.flatMap(([, { toneHz }]) => ['-f', 'lavfi', '-i', tone(toneHz)]),
    ...texts.flatMap((text) => ['-i', text]),
    ...['-map', '0', '-map', '1', '-map', '2', '-map', '3', '-map', '4'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '50'],
    ...['-c:a', 'ac3', '-b:a', '192k', '-c:s', 'srt', '-disposition:s:0', '0'],
    ...['-metadata:s:a:0', 'language=eng', '-metadata:s:a:1', 'language=ger'],
    ...['-metadata:s:s:0', 'language=eng', '-metadata:s:s:1', 'language=ger', path],
  ]);
  return path;
}

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { TextFacts } from '../../shared/messages.ts';
import type { Plan } from '../../shared/plan.ts';
import { parseSubtitles } from '../../shared/webvtt.ts';
import { extractSubtitles } from '../../transcoder/stages/subtitles.ts';
import { CORPUS, ffmpeg, makeFolder } from '../support/media.ts';
import { onFile, planFile } from './encoding.ts';

let folder: string;
let srt: string;
beforeAll(async () => {
  folder = await makeFolder('subtitles');
  srt = join(folder, 'en.srt');
  const cues = ['1\n00:00:01,000 --> 00:00:02,000\n<i>Hello</i> & <font color="red">goodbye</font>\n'];
  await writeFile(srt, [...cues, '2\n00:00:02,500 --> 00:00:09,000\nPast the end\n'].join('\n'));
});

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=30:d=4'];
const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '30', '-pix_fmt', 'yuv420p'];

async function make(name: string, args: string[]): Promise<string> {
  const path = join(folder, name);
  await ffmpeg([...args, path]);
  return path;
}

async function extract(path: string): Promise<{ plan: Plan; facts: TextFacts }> {
  const plan = await planFile(path);
  return { plan, facts: await onFile(path, ({ context }) => extractSubtitles(context, plan)) };
}

function cuesOf(facts: TextFacts, name: string) {
  return parseSubtitles(facts.tracks.find((track) => track.name === name)!.vtt);
}

describe('subtitles in a file', () => {
  test.each([
    { file: 'srt.mkv', codec: ['-c:s', 'srt'] },
    { file: 'ass.mkv', codec: ['-c:s', 'ass'] },
    { file: 'vtt.mkv', codec: ['-c:s', 'webvtt'] },
    { file: 'mov-text.mp4', codec: ['-c:s', 'mov_text'] },
  ])('become WebVTT with the times they had: $file', async ({ file, codec }) => {
    const path = await make(file, [
      ...VIDEO,
      '-i',
      srt,
      ...X264,
      ...codec,
      '-metadata:s:s:0',
      'language=eng',
    ]);
    const { plan, facts } = await extract(path);
    expect(plan.subtitles).toMatchObject([{ name: 'en', language: 'en', label: 'English' }]);
    expect(facts.warnings).toEqual([]);
    const cues = cuesOf(facts, 'en');
    expect(cues.map(({ startMs, endMs }) => [startMs, endMs])).toEqual([
      [1000, 2000],
      [2500, 4000],
    ]);
    expect(cues[0]!.text).toBe('<i>Hello</i> &amp; goodbye');
  });

  test('move with the picture where the file does not start at zero', async () => {
    const zero = await make('zero.mkv', [...VIDEO, '-i', srt, ...X264, '-c:s', 'srt']);
    const path = await make('late.mkv', [
      '-copyts',
      '-itsoffset',
      '5',
      '-i',
      zero,
      '-c',
      'copy',
      '-map',
      '0',
    ]);
    const { plan, facts } = await extract(path);
    expect(plan.source.zeroSeconds).toBeCloseTo(5, 2);
    const [first] = cuesOf(facts, 'und');
    expect(Math.abs(first!.startMs - 1000)).toBeLessThanOrEqual(2);
  });

  test('keep what their flags say', async () => {
    const path = await make('flags.mkv', [
      ...[...VIDEO, '-i', srt, '-map', '0:v', '-map', '1', '-map', '1', '-map', '1', '-map', '1', ...X264],
      ...['-c:s', 'srt', '-metadata:s:s:0', 'language=ger', '-disposition:s:0', 'default'],
      ...['-metadata:s:s:1', 'language=ger', '-disposition:s:1', 'forced'],
      ...['-metadata:s:s:2', 'language=eng', '-disposition:s:2', 'hearing_impaired'],
      ...['-metadata:s:s:3', 'language=eng', '-metadata:s:s:3', 'title=Signs <b>& songs'],
      ...['-disposition:s:3', '0'],
    ]);
    const { plan, facts } = await extract(path);
    expect(plan.subtitles).toMatchObject([
      { name: 'de', label: 'German', isDefault: true, isForced: false, isCaptions: false },
      { name: 'de_forced', label: 'German (forced)', isDefault: false, isForced: true },
      { name: 'en_captions', label: 'English (captions)', isCaptions: true },
      { name: 'en', label: 'Signs <b>& songs', isDefault: false },
    ]);
    expect(facts.tracks.map(({ name }) => name)).toEqual(['de', 'de_forced', 'en_captions', 'en']);
  });

  test('that are pictures are left out, and the plan says so', async () => {
    const path = await make('dvd.mkv', [
      ...[...VIDEO, '-i', srt, '-i', srt, '-map', '0:v', '-map', '1', '-map', '2', ...X264],
      ...['-c:s:0', 'srt', '-c:s:1', 'copy', '-tag:s:1', '0'],
    ]);
    const plan = await planFile(path);
    expect(plan.warnings).toEqual([]);
    const pictures = await makePictureSubtitles();
    const withPictures = await planFile(pictures);
    expect(withPictures.subtitles).toEqual([]);
    expect(withPictures.warnings).toEqual([
      { code: 'subtitle_track_dropped', detail: expect.stringMatching(/^1 subtitle track was left out/) },
    ]);
  });

  test('without a single cue in the video are left out with a warning', async () => {
    const late = join(folder, 'late.srt');
    await writeFile(late, '1\n00:01:00,000 --> 00:01:02,000\nToo late\n');
    const path = await make('empty.mp4', [...VIDEO, '-i', late, ...X264, '-c:s', 'mov_text', '-t', '3']);
    const { facts } = await extract(path);
    expect(facts.tracks).toEqual([]);
    expect(facts.warnings).toMatchObject([{ code: 'subtitle_track_dropped' }]);
  });
});

async function makePictureSubtitles(): Promise<string> {
  // A text track drawn as DVD subtitles needs a picture decoder in between; an empty bitmap stream is enough.
  const sup = join(folder, 'subs.sup');
  const segment = (type: number, body: number[]) => [
    ...[0x50, 0x47, 0, 1, 0x5f, 0x90, 0, 0, 0, 0, type, body.length >> 8, body.length & 255],
    ...body,
  ];
  const composition = [1, 0x40, 0, 0xb4, 0x10, 0, 0, 0x80, 0, 0, 0];
  await writeFile(sup, Uint8Array.from([...segment(0x16, composition), ...segment(0x80, [])]));
  return make('pgs.mkv', [
    ...VIDEO,
    '-f',
    'sup',
    '-i',
    sup,
    '-map',
    '0:v',
    '-map',
    '1',
    ...X264,
    '-c:s',
    'copy',
  ]);
}

describe.skipIf(!CORPUS)('real files', () => {
  test.each([
    { file: 'srt-subs-ac3.mkv', name: 'en', label: 'Subs Label' },
    { file: 'ass-subs-ac3.mkv', name: 'und', label: 'Subtitles' },
  ])('$file gives its subtitles', async ({ file, name, label }) => {
    const { plan, facts } = await extract(join(CORPUS!, file));
    expect(plan.subtitles).toMatchObject([{ name, label }]);
    expect(cuesOf(facts, name)[0]!.text).toBe('This is the first subtitle.');
  });

  test('chapters.mp4 keeps its chapters', async () => {
    const { chapters } = await planFile(join(CORPUS!, 'chapters.mp4'));
    expect(chapters).toEqual([
      { startSeconds: 0, endSeconds: 0.201, title: 'Chapter 1' },
      { startSeconds: 0.201, endSeconds: 0.8, title: 'Chapter 2' },
      { startSeconds: 0.8, endSeconds: 0.85, title: 'Chapter 3' },
    ]);
  });
});

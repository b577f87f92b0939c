// Good pictures with sound that is partly or wholly broken: the video is published, and says what became of its sound.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { isBrokenSound } from '../../transcoder/broken-sound.ts';
import { FfmpegError } from '../../transcoder/ffmpeg/ffmpeg-error.ts';
import { ffmpeg, ffprobe, makeFolder } from '../support/media.ts';
import { decodeSound, soundSeconds } from '../support/pictures.ts';
import { runWholeJob } from '../support/whole-job.ts';

const OPTIONS = { preset: 'ultrafast', segmentSeconds: 2 } as const;
const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30:d=6'];
const TONE = ['-f', 'lavfi', '-i', 'sine=d=6:r=48000'];
let folder: string;
beforeAll(async () => {
  folder = await makeFolder('broken-sound');
});

async function make(name: string, args: string[]): Promise<string> {
  const path = join(folder, name);
  await ffmpeg([...VIDEO, ...args, '-c:v', 'libx264', '-preset', 'ultrafast', '-g', '30', path]);
  return path;
}

/** Overwrites the sound packets that begin within the times with what no decoder takes. */
async function breakSound(path: string, track: number, [from, to]: [number, number]): Promise<string> {
  const entries = 'packet=pts_time,pos,size';
  const packets = await ffprobe([
    '-select_streams',
    `a:${track}`,
    '-show_entries',
    entries,
    '-of',
    'csv=p=0',
    path,
  ]);
  const bytes = await readFile(path);
  for (const line of packets.split('\n').filter((text) => /\d/.test(text))) {
    const [seconds, size, position] = line.split(',').map(Number) as [number, number, number];
    if (seconds >= from && seconds < to) bytes.fill(0xff, position, position + size);
  }
  const broken = path.replace('.mp4', `-${track}-${from}-${to}.mp4`);
  await writeFile(broken, bytes);
  return broken;
}

const MONO = ['-c:a', 'aac', '-ac', '1'];
const STEREO = ['-c:a', 'aac', '-ac', '2'];

describe('one sound track', () => {
  test.each([
    { name: 'encoded', codec: MONO },
    { name: 'copied', codec: STEREO },
  ])('$name, that cannot be decoded is left out, and every list agrees', async ({ name, codec }) => {
    const good = await make(`${name}.mp4`, [...TONE, ...codec]);
    const job = await runWholeJob(await breakSound(good, 0, [-1, 10]), { options: OPTIONS });
    expect(job.presentation.audio).toEqual([]);
    expect(job.presentation.warnings).toEqual([
      {
        code: 'audio_track_dropped',
        detail: expect.stringMatching(/^The audio track ".+" was left out: .*\.$/),
      },
    ]);
    expect(job.text('master.m3u8')).not.toMatch(/mp4a|TYPE=AUDIO/);
    expect(job.text('manifest.mpd')).not.toContain('audio');
    expect(JSON.parse(job.document('work/j1/audio_0.json'))).toMatchObject({
      tracks: [],
      dropped: 'audio_und',
      warnings: [{ code: 'audio_track_dropped' }],
    });

    const whole = await runWholeJob(good, { options: OPTIONS });
    expect(whole.presentation.audio).toHaveLength(1);
    expect(whole.presentation.warnings).toBeUndefined();
    expect(whole.text('master.m3u8')).toContain('mp4a.40.2');
  });

  test.each([
    { name: 'encoded', codec: MONO },
    { name: 'copied', codec: STEREO },
  ])('$name, keeps what can be decoded and is silent between', async ({ name, codec }) => {
    const good = await make(`partly-${name}.mp4`, [...TONE, ...codec]);
    const job = await runWholeJob(await breakSound(good, 0, [2, 4]), { options: OPTIONS });
    expect(job.presentation.warnings).toMatchObject([{ code: 'audio_track_damaged' }]);
    const path = join(folder, `stored-${name}.mp4`);
    await writeFile(path, job.trackBytes('audio_und'));
    const sound = await decodeSound(path, 'a:0', 0);
    expect(soundSeconds(sound)).toBeCloseTo(6, 0);
    const loudness = (from: number, to: number) => {
      const part = sound.slice((from * sound.length) / 6, (to * sound.length) / 6);
      return Math.sqrt(part.reduce((sum, value) => sum + value * value, 0) / part.length);
    };
    expect(loudness(0.5, 1.5)).toBeGreaterThan(500);
    expect(loudness(2.5, 3.5)).toBeLessThan(50);
    expect(loudness(4.5, 5.5)).toBeGreaterThan(500);
  });
});

test('of two languages the one that is left becomes the default', async () => {
  const two = [
    '-map',
    '0',
    '-map',
    '1',
    '-map',
    '1',
    '-metadata:s:a:0',
    'language=eng',
    '-metadata:s:a:1',
    'language=deu',
  ];
  const good = await make('two.mp4', [...TONE, ...two, ...MONO]);
  const job = await runWholeJob(await breakSound(good, 0, [-1, 10]), { options: OPTIONS });
  expect(job.presentation.audio).toMatchObject([{ name: 'de', isDefault: true }]);
  expect(job.text('master.m3u8')).toMatch(/NAME="[^"]*",LANGUAGE="de",DEFAULT=YES/);
});

describe('what is not the fault of the sound', () => {
  const healthy = { signal: new AbortController().signal, source: { failure: undefined } as never };
  const outcome = {
    ...{
      argv: [],
      exitCode: 1,
      signal: null,
      stderrTail: ['Error while decoding stream #0:1: Invalid data found'],
    },
    ...{ isTimeout: false, isOutOfMemory: false, isAborted: false },
  };
  const broken = new FfmpegError('ffmpeg', outcome);

  test('a lost lease, a source that cannot be read, the machine: the task is tried again', () => {
    expect(isBrokenSound(broken, healthy)).toBe(true);
    expect(isBrokenSound(broken, { ...healthy, signal: AbortSignal.abort() })).toBe(false);
    expect(isBrokenSound(broken, { ...healthy, source: { failure: new Error('outage') } as never })).toBe(
      false,
    );
    for (const change of [{ isTimeout: true }, { isOutOfMemory: true }, { isAborted: true }]) {
      expect(isBrokenSound(new FfmpegError('ffmpeg', { ...outcome, ...change }), healthy)).toBe(false);
    }
    const killed = { ...outcome, exitCode: null };
    expect(isBrokenSound(new FfmpegError('ffmpeg', { ...killed, signal: 'SIGKILL' }), healthy)).toBe(false);
    expect(isBrokenSound(new FfmpegError('ffmpeg', { ...killed, signal: 'SIGSEGV' }), healthy)).toBe(true);
    expect(isBrokenSound(new AppError('storage_unavailable'), healthy)).toBe(false);
    expect(isBrokenSound(new AppError('init_mismatch'), healthy)).toBe(false);
    expect(isBrokenSound(new AppError('media_malformed'), healthy)).toBe(true);
  });
});

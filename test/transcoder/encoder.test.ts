import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EncoderPreset } from '../../shared/encoder.ts';
import type { PlannedRendition } from '../../shared/plan.ts';
import { checkEncoder } from '../../transcoder/ffmpeg/encoder-check.ts';
import { encoderOptions } from '../../transcoder/ffmpeg/encoder-options.ts';
import { sandboxArguments } from '../../transcoder/ffmpeg/sandbox.ts';
import { createScratch } from '../../transcoder/scratch.ts';
import { ffmpegHelp } from '../support/ffmpeg-help.ts';

const LIMITS = { wallSeconds: 60, memoryBytes: 2 ** 31 };
const RUNG: PlannedRendition = {
  name: '720p',
  ...{ width: 1280, height: 720, crf: 22, maxBitrateBps: 2_800_000, bufferBits: 5_600_000 },
};
const optionsOf = (codec: 'libx264' | 'h264_nvenc', preset: EncoderPreset = 'veryfast') =>
  encoderOptions({ encoder: { codec, preset }, gopFrames: 60 }, RUNG, 2).join(' ');

/** Whether there is a GPU decides which of the two twins can be run. */
const HAS_NVENC = existsSync('/dev/nvidia0');
const NVENC_HELP = await ffmpegHelp('h264_nvenc');

describe('the arguments of an encoder', () => {
  test('ask x264 for quality under the cap of the row, in closed GOPs', () => {
    expect(optionsOf('libx264')).toBe(
      '-c:v libx264 -preset veryfast -threads 2 -crf 22 -maxrate 2800000 -bufsize 5600000 ' +
        '-profile:v high -g 60 -keyint_min 60 -sc_threshold 0',
    );
  });

  test('ask NVENC for the same: IDR pictures on the grid alone, no B pictures', () => {
    expect(optionsOf('h264_nvenc')).toBe(
      '-c:v h264_nvenc -preset p3 -tune hq -rc vbr -cq 22 -b:v 0 -maxrate 2800000 -bufsize 5600000 ' +
        '-profile:v high -g 60 -forced-idr 1 -no-scenecut 1 -strict_gop 1 ' +
        '-force_key_frames expr:not(mod(n,60)) -bf 0 -b_ref_mode disabled',
    );
  });

  test('have an NVENC preset for each of ours, from fast to careful', () => {
    const presets = EncoderPreset.options.map(
      (preset) => / -preset (\w+)/.exec(optionsOf('h264_nvenc', preset))?.[1],
    );
    expect(presets).toEqual(['p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7']);
  });

  test.skipIf(!NVENC_HELP)('are known to this ffmpeg’s NVENC, by name and value', () => {
    const help = NVENC_HELP!;
    const own = ['preset', 'tune', 'rc', 'cq', 'forced-idr', 'no-scenecut', 'strict_gop', 'b_ref_mode'];
    for (const name of own) expect(help, name).toMatch(new RegExp(`^\\s+-${name}\\s`, 'm'));
    for (const value of ['p1', 'p7', 'hq', 'vbr', 'disabled', 'high']) {
      expect(help, value).toMatch(new RegExp(`^\\s+${value}\\s`, 'm'));
    }
    expect(help).not.toMatch(/^\s+-no-such-option\s/m);
  });
});

describe('the check at start', () => {
  test('takes libx264 for granted: ffmpeg is asked for it elsewhere', async () => {
    expect(await checkEncoder('libx264', '/nowhere', LIMITS)).toEqual({
      encoders: ['libx264'],
      fingerprint: '',
    });
  });

  test.skipIf(HAS_NVENC)('says what is missing where there is no GPU', async () => {
    await using scratch = await createScratch('check-test');
    const failure = checkEncoder('h264_nvenc', scratch.directory, LIMITS);
    await expect(failure).rejects.toMatchObject({
      code: 'encoder_not_available',
      detail: expect.stringMatching(
        /^ENCODER is h264_nvenc, but this machine cannot encode with it: \S.*NVIDIA GPU/,
      ),
    });
  });

  test.runIf(HAS_NVENC)('passes where there is a GPU', async () => {
    await using scratch = await createScratch('check-test');
    const { encoders, fingerprint } = await checkEncoder('h264_nvenc', scratch.directory, LIMITS);
    expect(encoders).toEqual(['libx264', 'h264_nvenc']);
    expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });
});

test('a run on the GPU has no limit on its address space, every other has', () => {
  const isLimited = (args: string[]) => args.some((argument) => argument.startsWith('--address-space-kib='));
  expect(isLimited(sandboxArguments('ffmpeg', LIMITS, 2, { usesGpu: true }))).toBe(false);
  expect(isLimited(sandboxArguments('ffmpeg', LIMITS, 2, { usesGpu: false }))).toBe(true);
  expect(isLimited(sandboxArguments('ffmpeg', LIMITS, 2))).toBe(true);
});

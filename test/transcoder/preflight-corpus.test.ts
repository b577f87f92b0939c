// Preflight against the full probe, on every real and hostile file: what is said beforehand comes true.
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isHdrTransfer } from '../../shared/color.ts';
import { AppError } from '../../shared/errors.ts';
import { type Plan, PlanOptions } from '../../shared/plan.ts';
import { planJob } from '../../shared/plan-job.ts';
import { preflight } from '../../shared/preflight.ts';
import type { PreflightAnswer } from '../../shared/preflight-answer.ts';
import type { SourceInfo } from '../../shared/source-info.ts';
import { framesPerSecond } from '../../shared/timeline.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { probeSource } from '../../transcoder/stages/probe.ts';
import { filePieces } from '../support/file-pieces.ts';
import { openFileSource } from '../support/file-source.ts';
import { CORPUS, ffmpeg, makeClip } from '../support/media.ts';

/** Every file that is not settled beforehand, and why. */
const UNKNOWN: Record<string, string> = {
  // MPEG-TS, FLV, Ogg, AVI and ASF tell neither pace nor extent in one place: the packets do, all of them.
  'bbb-1080p30-13s.ts': 'container_without_index',
  'mpeg2-1080p24.ts': 'container_without_index',
  'mpeg2-720p60-2audio-pts43473.ts': 'container_without_index',
  'h264-aac.flv': 'container_without_index',
  'theora.ogv': 'container_without_index',
  'mpeg4-mp3.avi': 'container_without_index',
  'wmv8.wmv': 'container_without_index',
  // Its index alone has 312,371 bytes, so it begins between the pieces.
  'long-1080p30-6min.mp4': 'index_not_in_bytes',
};

const files = CORPUS
  ? ['', 'hostile'].flatMap((folder) =>
      readdirSync(join(CORPUS!, folder), { withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name !== 'manifest.json')
        .map(({ name }) => join(folder, name)),
    )
  : [];

let scratch: Scratch;
beforeAll(async () => {
  scratch = await createScratch('preflight');
});
afterAll(() => scratch[Symbol.asyncDispose]());

describe.skipIf(!CORPUS)('preflight of real files', () => {
  it.each(files.filter((file) => !UNKNOWN[file]))('agrees with the probe on %s', async (file) => {
    await expectAgreement(join(CORPUS!, file));
  });

  it.each(Object.entries(UNKNOWN))('does not settle %s: %s', async (file, code) => {
    const answer = await preflightOf(join(CORPUS!, file));
    expect(answer).toMatchObject({ verdict: 'unknown', reasons: [{ code }], container: expect.any(String) });
    expect(answer.durationSeconds).toBeUndefined();
  });
});

describe('preflight of clips', () => {
  const LONG = ['-stream_loop', '40'];

  it.each([
    ['faststart.mp4', [], ['-movflags', '+faststart']],
    ['at-end.mov', [], []],
    ['trimmed.mp4', ['-ss', '0.7'], []],
    ['bframes.mp4', [], ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '3', '-r', '30000/1001']],
    ['fragmented.mp4', [], ['-movflags', '+frag_keyframe+empty_moov']],
    ['small.mkv', [], []],
    ['long.mkv', LONG, []],
    ['stretched.mp4', [], ['-aspect', '4:3']],
    ['interlaced.mp4', [], ['-c:v', 'libx264', '-flags', '+ildct+ilme', '-x264opts', 'tff=1']],
    ['ten-bit.mp4', [], ['-c:v', 'libx264', '-pix_fmt', 'yuv422p10le', '-color_trc', 'smpte2084']],
  ])('agrees with the probe on %s', async (name, before, after) => {
    const clip = await makeClip(scratch.path(`of-${name}.mp4`), { seconds: 2, rate: '30' });
    const path = scratch.path(name);
    await ffmpeg([...before, '-i', clip, '-c', 'copy', ...after, path]);
    const answer = await expectAgreement(path);
    expect(answer.verdict).toBe('accepted');
  });
});

async function preflightOf(path: string): Promise<PreflightAnswer> {
  return preflight(filePieces(await readFile(path)), PlanOptions.parse({}));
}

async function expectAgreement(path: string): Promise<PreflightAnswer> {
  const answer = await preflightOf(path);
  const probed = await probeAndPlan(path);
  if (probed instanceof AppError) {
    expect(answer).toMatchObject({ verdict: 'refused', reasons: [{ code: probed.code }] });
    return answer;
  }
  const { info, plan } = probed;
  expect(answer).toMatchObject({
    verdict: 'accepted',
    reasons: [],
    videoCodec: info.video.codec,
    audioCodecs: info.audio.map(({ codec }) => codec),
    ...plan.display,
    rotationDegrees: info.video.rotationDegrees,
    isHdr: isHdrTransfer(info.video.colorTransfer),
    frameRate: framesPerSecond(plan.fps),
    ladder: plan.renditions.map(({ name, width, height, maxBitrateBps }) => ({
      name,
      width,
      height,
      maxBitrateBps,
    })),
  });
  expect(Math.abs(answer.durationSeconds! - info.durationSeconds)).toBeLessThan(0.1);
  if (answer.isVariableFrameRate !== undefined) {
    expect(answer.isVariableFrameRate).toBe(info.video.isVariableFrameRate);
    expect(answer.segmentCount).toBe(plan.segmentCount);
  }
  // A copy is promised of progressive pictures alone.
  if (answer.instant !== 'no') expect(info.video).toMatchObject({ codec: 'h264', isInterlaced: false });
  return answer;
}

async function probeAndPlan(path: string): Promise<AppError | { info: SourceInfo; plan: Plan }> {
  await using source = await openFileSource(path);
  try {
    const limits = { wallSeconds: 30, memoryBytes: 2 ** 30 };
    const info = await probeSource(source, scratch, limits, new AbortController().signal);
    return { info, plan: planJob(info, PlanOptions.parse({})) };
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

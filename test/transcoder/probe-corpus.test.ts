// Real files: what the probe and the planner make of every file of the corpus, against its manifest.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../shared/errors.ts';
import { type Plan, PlanOptions } from '../../shared/plan.ts';
import { planJob } from '../../shared/plan-job.ts';
import type { SourceInfo } from '../../shared/source-info.ts';
import { framesPerSecond } from '../../shared/timeline.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { probeSource } from '../../transcoder/stages/probe.ts';
import { openFileSource } from '../support/file-source.ts';
import { CORPUS } from '../support/media.ts';

type Entry = {
  file: string;
  expected: { outcome: 'transcodes' | 'rejected' | 'either' };
  ffprobe: {
    display_size: string | null;
    variable_frame_rate: boolean | null;
    decode_test?: { video_frames_decoded?: number };
  };
};

const manifest: { files: Entry[]; hostile: Entry[] } = CORPUS
  ? JSON.parse(readFileSync(join(CORPUS, 'manifest.json'), 'utf8'))
  : { files: [], hostile: [] };
const all = [
  ...manifest.files,
  ...manifest.hostile.map((entry) => ({ ...entry, file: `hostile/${entry.file.split('/').at(-1)}` })),
];

/** Every refusal, by name: a change of verdict must be meant. */
const REFUSALS: Record<string, ErrorCode> = {
  'audio-only.mp4': 'media_no_video_stream',
  'encrypted-cenc.mp4': 'media_encrypted',
  'header-without-data.mp4': 'media_truncated',
  'chunk-out-of-range.mp4': 'media_malformed',
  'vp9-invalid-12336x12336.webm': 'media_truncated',
  'hostile/hls-file-etc-passwd.mp4': 'media_playlist_refused',
  'hostile/hls-http-metadata-service.mp4': 'media_playlist_refused',
  'hostile/hls-key-file-url.mp4': 'media_playlist_refused',
  'hostile/ffconcat-neighbour.mp4': 'media_playlist_refused',
  'hostile/ffconcat-etc-passwd.mp4': 'media_playlist_refused',
  'hostile/dash-http-loopback.mp4': 'media_playlist_refused',
  'hostile/sdp-loopback.mov': 'media_playlist_refused',
  'hostile/smil-asx.asf': 'media_playlist_refused',
  'hostile/jpeg-as.mp4': 'media_image_refused',
  'hostile/svg-script.mp4': 'media_image_refused',
  'hostile/zip-bomb.mp4': 'media_not_video',
  'hostile/ass-subtitles.mp4': 'media_not_video',
  'hostile/zero-bytes.mp4': 'media_not_video',
  'hostile/random-64k.mp4': 'media_not_video',
  'hostile/declared-65535x65535.mp4': 'media_invalid_dimensions',
  'hostile/zero-by-zero.mov': 'media_unsupported_codec',
  'hostile/real-16x16384.mp4': 'media_too_large',
  'hostile/duration-1e9-seconds.mp4': 'media_too_long',
  'hostile/dref-file-etc-passwd.mp4': 'media_external_reference',
  'hostile/dref-alias-etc-passwd.mov': 'media_external_reference',
  'hostile/500-tracks.mkv': 'media_too_many_streams',
  'hostile/truncated-mdat.mp4': 'media_truncated',
  'hostile/moov-missing.mp4': 'media_malformed',
  'hostile/moov-nested-4000.mp4': 'media_malformed',
  'hostile/box-size-zero-loop.mp4': 'media_malformed',
  'hostile/ebml-unknown-size-loop.mkv': 'media_no_video_stream',
};

/**
 * Pictures the index promises and only decoding shows to be missing: leading pictures of an open GOP, a damaged
 * picture. The encoder holds the last picture for up to a quarter of a second, and fails beyond that.
 */
const LOST_IN_DECODING: Record<string, number> = {
  'mpeg2-720p60-2audio-pts43473.ts': 2,
  'corrupted-decord.mp4': 1,
  // 25 pictures within 25 microseconds become the two that 60 a second can show.
  'hostile/one-million-fps.mp4': -23,
};

let scratch: Scratch;
beforeAll(async () => {
  scratch = await createScratch('probe-corpus');
});
afterAll(() => scratch[Symbol.asyncDispose]());

type Result =
  | { info: SourceInfo; plan: Plan; error?: never }
  | { error: unknown; info?: never; plan?: never };

const probed = new Map<string, Promise<Result>>();

/** Each file is probed once, however many tests look at it. */
function planOf(file: string): Promise<Result> {
  const result = probed.get(file) ?? probeAndPlan(file);
  probed.set(file, result);
  return result;
}

async function probeAndPlan(file: string): Promise<Result> {
  await using source = await openFileSource(join(CORPUS!, file));
  try {
    const limits = { wallSeconds: 30, memoryBytes: 2 ** 30 };
    const info = await probeSource(source, scratch, limits, new AbortController().signal);
    return { info, plan: planJob(info, PlanOptions.parse({})) };
  } catch (error) {
    return { error };
  }
}

describe.skipIf(!CORPUS)('probing and planning real files', () => {
  it.each(all.filter(({ file }) => REFUSALS[file]))('refuses $file', async ({ file, expected }) => {
    expect(expected.outcome).not.toBe('transcodes');
    const { error } = await planOf(file);
    expect(error).toMatchObject({ code: REFUSALS[file], detail: expect.stringMatching(/^The .*\.$/) });
    const { detail } = error as { detail: string };
    expect(detail).not.toMatch(/127\.0\.0\.1|\/tmp|@ 0x|\[/);
  });

  it.each(all.filter(({ file }) => !REFUSALS[file]))('plans $file', async ({ file, expected, ffprobe }) => {
    expect(expected.outcome).not.toBe('rejected');
    const { info, plan, error } = await planOf(file);
    if (error || !plan) throw error;

    const [width, height] = ffprobe.display_size!.split('x').map(Number);
    expect(Math.abs(plan.display.width - width!)).toBeLessThanOrEqual(1);
    expect(Math.abs(plan.display.height - height!)).toBeLessThanOrEqual(1);

    expect(info.durationSeconds).toBeGreaterThan(0);
    expect(info.durationSeconds).toBeLessThan(400);
    const decoded = ffprobe.decode_test?.video_frames_decoded;
    if (!ffprobe.variable_frame_rate && decoded) {
      const before = Math.round(info.video.startSeconds * framesPerSecond(plan.fps));
      expect(plan.totalFrames - before).toBe(decoded + (LOST_IN_DECODING[file] ?? 0));
    }
  });
});

describe.skipIf(!CORPUS)('details of real files', () => {
  const infoOf = async (file: string): Promise<SourceInfo> => {
    const { info, error } = await planOf(file);
    if (!info) throw error;
    return info;
  };

  it('starts the clock of a transport stream at zero and keeps the offset of its pictures', async () => {
    const info = await infoOf('bbb-1080p30-13s.ts');
    expect(info.zeroSeconds).toBeCloseTo(1.4453, 3);
    expect(info.audio[0]!.startSeconds).toBeCloseTo(0, 3);
    expect(info.video.startSeconds).toBeCloseTo(0.0213, 3);
    expect(info.keyFrameSeconds).toBeUndefined();
  });

  it('chooses the first of two default videos, and knows both sound languages of a broadcast', async () => {
    expect((await infoOf('nasa-multi-stream.mp4')).video).toMatchObject({ streamIndex: 0, codedWidth: 320 });
    const broadcast = await infoOf('mpeg2-720p60-2audio-pts43473.ts');
    expect(broadcast.audio.map(({ language, channels }) => [language, channels])).toEqual([
      ['en', 6],
      ['es', 2],
    ]);
  });

  it('sees turns, interlacing and high dynamic range', async () => {
    expect((await infoOf('iphone-gps-rot.mov')).video.rotationDegrees).toBe(90);
    expect((await infoOf('prores422-interlaced.mov')).video.isInterlaced).toBe(true);
    expect((await infoOf('hdr10-av1-portrait.mp4')).video.colorTransfer).toBe('smpte2084');
    expect((await infoOf('hlg10-hevc.mp4')).video.colorTransfer).toBe('arib-std-b67');
  });

  it('reads key frames from an index, and none where there is no index', async () => {
    expect((await infoOf('long-1080p30-6min.mp4')).keyFrameSeconds).toHaveLength(44);
    expect((await infoOf('tos-1920x800-vp9.webm')).keyFrameSeconds).toHaveLength(4);
    expect((await infoOf('rotated-bbb-51.mp4')).keyFrameSeconds).toBeUndefined();
  });

  it('tells a variable rate from a constant one that a clock of milliseconds rounds', async () => {
    expect((await infoOf('flir-vfr-portrait.mp4')).video.isVariableFrameRate).toBe(true);
    expect((await infoOf('vp9-odd-161x121.webm')).video.isVariableFrameRate).toBe(false);
  });
});

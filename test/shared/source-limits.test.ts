// What a source may be at most: each limit is passed by one, and the refusal says which it is and by how much.
import { describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../shared/errors.ts';
import { MEDIA_LIMITS } from '../../shared/limits.ts';
import type { PlanOptions } from '../../shared/plan.ts';
import { planJob } from '../../shared/plan-job.ts';
import type { SourceInfo } from '../../shared/source-info.ts';

const OPTIONS: PlanOptions = { segmentSeconds: 6, preset: 'veryfast' };

type Change = Omit<Partial<SourceInfo>, 'video'> & { video?: Partial<SourceInfo['video']> };

function source({ video = {}, ...change }: Change): SourceInfo {
  return {
    ...{ demuxer: 'mov', sizeBytes: 10_000_000_000, streamCount: 2, zeroSeconds: 0, durationSeconds: 60 },
    ...change,
    audio: [],
    video: {
      ...{ streamIndex: 0, codec: 'h264', codedWidth: 1920, codedHeight: 1080, sar: { num: 1, den: 1 } },
      ...{ rotationDegrees: 0, pixelFormat: 'yuv420p', isInterlaced: false, startSeconds: 0 },
      ...{ durationSeconds: 60, averageFps: 25, isVariableFrameRate: false },
      ...video,
    },
  };
}

const { maxDurationSeconds, maxFramesPerSecond, maxStreams, minBitrateBps } = MEDIA_LIMITS;
const lasting = (durationSeconds: number): Change => ({ durationSeconds, video: { durationSeconds } });

describe('a source at its limit is planned, one beyond it is refused with numbers', () => {
  test.each<[string, Change, Change, ErrorCode, RegExp]>([
    [
      'one side',
      { video: { codedWidth: 8192, codedHeight: 1080 } },
      { video: { codedWidth: 8194, codedHeight: 1080 } },
      'media_too_large',
      /8194x1080 pixels; at most 8192 on each side and 35651584 in all/,
    ],
    [
      'pixels in all',
      { video: { codedWidth: 8192, codedHeight: 4352 } },
      { video: { codedWidth: 8192, codedHeight: 4354 } },
      'media_too_large',
      /8192x4354 pixels; .* 35651584 in all/,
    ],
    [
      'pixels as they are shown',
      { video: { codedWidth: 4096, codedHeight: 4352, sar: { num: 2, den: 1 } } },
      { video: { codedWidth: 4096, codedHeight: 4352, sar: { num: 3, den: 1 } } },
      'media_too_large',
      /4096x4352 pixels, shown as 12288x4352; at most 8192/,
    ],
    [
      'duration',
      lasting(maxDurationSeconds),
      lasting(maxDurationSeconds + 1),
      'media_too_long',
      /claims 43201 seconds; at most 43200 are accepted/,
    ],
    [
      'bits for the time it claims',
      { ...lasting(60), sizeBytes: (60 * minBitrateBps) / 8 },
      { ...lasting(60), sizeBytes: (60 * minBitrateBps) / 8 - 1 },
      'media_malformed',
      /claims 60 seconds but holds only 7499 bytes; at least 1000 bits per second/,
    ],
    [
      'streams',
      { streamCount: maxStreams },
      { streamCount: maxStreams + 1 },
      'media_too_many_streams',
      /has 33 streams; at most 32 are accepted/,
    ],
    [
      'frame rate',
      { video: { averageFps: maxFramesPerSecond } },
      { video: { averageFps: maxFramesPerSecond + 1 } },
      'media_frame_rate_too_high',
      /has 241 pictures per second; at most 240 are accepted/,
    ],
  ])('%s', (_name, within, beyond, code, detail) => {
    expect(() => planJob(source(within), OPTIONS)).not.toThrow();
    expect(() => planJob(source(beyond), OPTIONS)).toThrow(
      expect.objectContaining({ code, detail: expect.stringMatching(detail) }),
    );
  });
});

import { describe, expect, it } from 'vitest';
import { chunkFrameRange, Plan, PlanOptions } from '../../shared/plan.ts';
import { planJob } from '../../shared/plan-job.ts';
import type { SourceInfo } from '../../shared/source-info.ts';

const OPTIONS = PlanOptions.parse({});

/** One minute of 1080p at 30 pictures per second, a key frame every two seconds, English stereo. */
function source(
  change: { video?: Partial<SourceInfo['video']> } & Partial<Omit<SourceInfo, 'video'>> = {},
): SourceInfo {
  const { video, ...rest } = change;
  return {
    demuxer: 'mov',
    sizeBytes: 10_000_000,
    streamCount: 2,
    zeroSeconds: 0,
    durationSeconds: 60,
    audio: [sound({})],
    keyFrameSeconds: Array.from({ length: 30 }, (_, index) => index * 2),
    ...rest,
    video: {
      streamIndex: 0,
      codec: 'h264',
      codedWidth: 1920,
      codedHeight: 1080,
      sar: { num: 1, den: 1 },
      rotationDegrees: 0,
      pixelFormat: 'yuv420p',
      isInterlaced: false,
      startSeconds: 0,
      durationSeconds: 60,
      averageFps: 30,
      isVariableFrameRate: false,
      ...video,
    },
  };
}

function sound(change: Partial<SourceInfo['audio'][number]>): SourceInfo['audio'][number] {
  return {
    ...{ streamIndex: 1, codec: 'aac', profile: 'LC', channels: 2, sampleRate: 48_000 },
    ...{ language: 'en', isDefault: true, startSeconds: 0, durationSeconds: 60 },
    ...change,
  };
}

const plan = (change: Parameters<typeof source>[0] = {}, options = OPTIONS) =>
  planJob(source(change), options);

describe('planning', () => {
  it('makes a document that its own schema accepts', () => {
    expect(Plan.parse(plan())).toEqual(plan());
    expect(plan()).toMatchObject({ totalFrames: 1800, gopFrames: 60, segmentFrames: 180, segmentCount: 10 });
  });

  it('covers every frame with chunks, in order', () => {
    const made = plan();
    expect(made.chunks.map(({ segmentCount }) => segmentCount)).toEqual([1, 2, 4, 3]);
    let next = 0;
    for (const chunk of made.chunks) {
      const { firstFrame, endFrame } = chunkFrameRange(made, chunk);
      expect(firstFrame).toBe(next);
      next = endFrame;
    }
    expect(next).toBe(made.totalFrames);
  });

  it('counts the pause before a late video into its frames', () => {
    expect(plan({ video: { startSeconds: 1, durationSeconds: 59 } }).totalFrames).toBe(1800);
    expect(plan({ video: { startSeconds: 0, durationSeconds: 59 } }).totalFrames).toBe(1770);
  });

  it('shows what a viewer should see: turned and stretched, with even sides', () => {
    expect(plan({ video: { rotationDegrees: 90 } }).display).toEqual({ width: 1080, height: 1920 });
    expect(plan({ video: { rotationDegrees: 180 } }).display).toEqual({ width: 1920, height: 1080 });
    const stretched = { codedWidth: 800, codedHeight: 640, sar: { num: 1137, den: 800 } };
    expect(plan({ video: stretched }).display).toEqual({ width: 1138, height: 640 });
    expect(plan({ video: { ...stretched, rotationDegrees: 270 } }).display).toEqual({
      width: 640,
      height: 1138,
    });
  });

  it('takes a variable rate from its ordinary steps, a constant one from the whole', () => {
    const gaps = { averageFps: 8.7, typicalFps: 30.3 };
    expect(plan({ video: { ...gaps, isVariableFrameRate: true } }).fps).toEqual({ num: 30, den: 1 });
    expect(plan({ video: { ...gaps, isVariableFrameRate: false } }).fps).toEqual({ num: 10, den: 1 });
  });

  it('gives the smallest rung a little more quality than the others', () => {
    expect(plan().renditions.map(({ crf }) => crf)).toEqual([20, 21, 21, 21, 21]);
    expect(plan().renditions.every(({ bufferBits, maxBitrateBps }) => bufferBits === 2 * maxBitrateBps)).toBe(
      true,
    );
  });

  it('marks PQ and HLG as high dynamic range', () => {
    expect(plan({ video: { colorTransfer: 'smpte2084' } }).source.isHdr).toBe(true);
    expect(plan({ video: { colorTransfer: 'arib-std-b67' } }).source.isHdr).toBe(true);
    expect(plan({ video: { colorTransfer: 'bt709' } }).source.isHdr).toBe(false);
  });
});

describe('planning chunks', () => {
  it('makes one chunk of a source without an index', () => {
    const { keyFrameSeconds, ...unindexed } = source();
    expect(keyFrameSeconds).toBeDefined();
    const made = planJob(unindexed, OPTIONS);
    expect(made.chunks).toHaveLength(1);
    expect(made.source.isSeekable).toBe(false);
    expect(plan().source.isSeekable).toBe(true);
  });

  it('makes one chunk of a source with fewer key frames than chunks', () => {
    expect(plan({ keyFrameSeconds: [0, 30, 50] }).chunks).toHaveLength(1);
    expect(plan({ keyFrameSeconds: [0, 5, 16, 40] }).chunks).toHaveLength(4);
  });

  it('joins a chunk to the one before where its key frame is more than 10 s away', () => {
    // Chunks would begin at 0, 6, 18 and 42 s.
    expect(plan({ keyFrameSeconds: [0, 4, 16.9, 30.9] }).chunks.map((chunk) => chunk.firstSegment)).toEqual([
      0, 1, 3,
    ]);
    expect(plan({ keyFrameSeconds: [0, 4, 16.9, 31.1] }).chunks.map((chunk) => chunk.firstSegment)).toEqual([
      0, 1, 3, 7,
    ]);
  });
});

describe('planning sound', () => {
  it('keeps one track per language and has one default', () => {
    const tracks = [
      sound({ streamIndex: 1, language: 'eng', isDefault: false }),
      sound({ streamIndex: 2, language: 'spa', isDefault: true }),
      sound({ streamIndex: 3, language: 'en', isDefault: true }),
    ];
    const made = plan({ audio: tracks }).audio;
    expect(made.map(({ name, label, streamIndex }) => [name, label, streamIndex])).toEqual([
      ['en', 'English', 3],
      ['es', 'Spanish', 2],
    ]);
    expect(made.filter(({ isDefault }) => isDefault)).toHaveLength(1);
  });

  it('copies AAC-LC stereo and nothing else', () => {
    const isCopied = (change: Parameters<typeof sound>[0]) =>
      plan({ audio: [sound(change)] }).audio[0]!.isCopied;
    expect(isCopied({})).toBe(true);
    expect(isCopied({ profile: 'HE-AAC' })).toBe(false);
    expect(isCopied({ channels: 6 })).toBe(false);
    expect(isCopied({ codec: 'mp3' })).toBe(false);
    expect(isCopied({ sampleRate: 22_050 })).toBe(false);
  });

  it('names its files by nothing a file may have made up', () => {
    expect(plan({ audio: [sound({ language: '../../x' })] }).audio[0]).toMatchObject({
      name: 'und',
      label: 'Audio',
    });
  });
});

describe('limits', () => {
  const codeOf = (change: Parameters<typeof source>[0]) => {
    try {
      plan(change);
    } catch (error) {
      return (error as { code: string }).code;
    }
    return undefined;
  };

  it.each([
    ['too many streams', { streamCount: 33 }, { streamCount: 32 }, 'media_too_many_streams'],
    ['no width', { video: { codedWidth: 0 } }, { video: { codedWidth: 16 } }, 'media_invalid_dimensions'],
    ['a sliver', { video: { codedHeight: 14 } }, { video: { codedHeight: 16 } }, 'media_invalid_dimensions'],
    ['too wide', { video: { codedWidth: 8194 } }, { video: { codedWidth: 8192 } }, 'media_too_large'],
    [
      'too many pixels',
      { video: { codedWidth: 8192, codedHeight: 4354 } },
      { video: { codedWidth: 8192, codedHeight: 4352 } },
      'media_too_large',
    ],
    [
      'stretched beyond all measure',
      { video: { sar: { num: 65_535, den: 1 } } },
      { video: { sar: { num: 2, den: 1 } } },
      'media_too_large',
    ],
    [
      'no duration',
      { video: { durationSeconds: 0 } },
      { video: { durationSeconds: 0.04 } },
      'media_too_short',
    ],
    [
      'longer than 12 hours',
      { durationSeconds: 43_201, sizeBytes: 1e9 },
      { durationSeconds: 43_200, sizeBytes: 1e9 },
      'media_too_long',
    ],
    [
      'a duration its bytes cannot fill',
      { durationSeconds: 10_000, sizeBytes: 1_249_000 },
      { durationSeconds: 10_000, sizeBytes: 1_251_000 },
      'media_malformed',
    ],
  ])('refuse %s', (_name, bad, good, code) => {
    expect(codeOf(bad)).toBe(code);
    expect(codeOf(good)).toBeUndefined();
  });
});

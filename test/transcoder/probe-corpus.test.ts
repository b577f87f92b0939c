// What the probe finds in real files where it is easily mistaken. Whether each file is taken on, and what becomes of
// it, is corpus.test.ts.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SourceInfo } from '../../shared/source-info.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { probeSource } from '../../transcoder/stages/probe.ts';
import { openFileSource } from '../support/file-source.ts';
import { CORPUS } from '../support/media.ts';

let scratch: Scratch;
beforeAll(async () => {
  scratch = await createScratch('probe-corpus');
});
afterAll(() => scratch[Symbol.asyncDispose]());

describe.skipIf(!CORPUS)('details of real files', () => {
  const infoOf = async (file: string): Promise<SourceInfo> => {
    await using source = await openFileSource(join(CORPUS!, file));
    const limits = { wallSeconds: 30, memoryBytes: 2 ** 30 };
    return await probeSource(source, scratch, limits, new AbortController().signal);
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

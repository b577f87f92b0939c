// Generated clips, each with one thing wrong, beside the same clip without it.
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pictureTiming } from '../../shared/probe/picture-times.ts';
import type { SourceInfo } from '../../shared/source-info.ts';
import { PacketReader } from '../../transcoder/probe/packet-walk.ts';
import { createScratch, type Scratch } from '../../transcoder/scratch.ts';
import { probeSource } from '../../transcoder/stages/probe.ts';
import { type FileSource, openFileSource } from '../support/file-source.ts';
import { ffmpeg, makeClip } from '../support/media.ts';

let scratch: Scratch;
let clip: string;
beforeAll(async () => {
  scratch = await createScratch('probe');
  clip = await makeClip(scratch.path('clip.mp4'), { seconds: 2 });
});
afterAll(() => scratch[Symbol.asyncDispose]());

const LIMITS = { wallSeconds: 30, memoryBytes: 2 ** 30 };

async function probe(
  path: string,
  change: (source: FileSource) => Partial<FileSource> = () => ({}),
  signal = new AbortController().signal,
): Promise<SourceInfo> {
  await using source = await openFileSource(path);
  return await probeSource({ ...source, ...change(source) }, scratch, LIMITS, signal);
}

async function copied(name: string, args: string[], input = clip): Promise<string> {
  const path = scratch.path(name);
  await ffmpeg(['-i', input, ...args, path]);
  return path;
}

/** The clip with `change` made to its bytes. */
async function altered(name: string, source: string, change: (bytes: Buffer) => Buffer): Promise<string> {
  const path = scratch.path(name);
  await writeFile(path, change(await readFile(source)));
  return path;
}

describe('probing a clip', () => {
  it('tells what it is', async () => {
    const info = await probe(clip);
    expect(info).toMatchObject({
      demuxer: 'mov',
      streamCount: 2,
      zeroSeconds: 0,
      video: {
        codec: 'h264',
        codedWidth: 320,
        codedHeight: 180,
        rotationDegrees: 0,
        isVariableFrameRate: false,
      },
      audio: [{ codec: 'aac', profile: 'LC', channels: 1, language: 'und' }],
    });
    expect(info.video.durationSeconds).toBeCloseTo(2, 3);
    expect(info.keyFrameSeconds).toEqual([0]);
  });

  it('reads the same from every container that keeps its times', async () => {
    for (const name of ['a.mov', 'a.mkv', 'a.ts']) {
      const info = await probe(await copied(name, ['-c', 'copy']));
      expect(info.video.durationSeconds, name).toBeCloseTo(2, 2);
      expect(info.video.averageFps, name).toBeCloseTo(30, 1);
      expect(info.keyFrameSeconds !== undefined, name).toBe(name !== 'a.ts');
    }
  });

  it('reads a Matroska file without Cues in order', async () => {
    const live = await copied('live.mkv', ['-c', 'copy', '-f', 'matroska', '-live', '1']);
    expect((await probe(live)).keyFrameSeconds).toBeUndefined();
    expect((await probe(scratch.path('a.mkv'))).keyFrameSeconds).toBeDefined();
  });

  it('counts what an edit list shows, not what the file holds', async () => {
    const keyed = await copied('keyed.mp4', ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '15', '-an']);
    const cut = scratch.path('cut.mp4');
    await ffmpeg(['-ss', '0.7', '-i', keyed, '-c', 'copy', cut]);
    const reencoded = await probe(keyed);
    expect(reencoded.video.durationSeconds).toBeCloseTo(2, 3);
    expect((await probe(cut)).video.durationSeconds).toBeCloseTo(1.3, 1);
  });

  it('is not told the pace by a header', async () => {
    const gaps = await copied('gaps.mp4', [
      '-vf',
      'select=not(between(n\\,10\\,40))',
      '-fps_mode',
      'vfr',
      '-an',
    ]);
    const { video } = await probe(gaps);
    expect(video.isVariableFrameRate).toBe(true);
    expect(video.typicalFps).toBeCloseTo(30, 1);
    expect(video.averageFps).toBeLessThan(20);
  });

  it('passes by cover art and data nobody can decode', async () => {
    const cover = scratch.path('cover.png');
    await ffmpeg(['-f', 'lavfi', '-i', 'color=red:size=640x640', '-frames:v', '1', cover]);
    const path = scratch.path('covered.mp4');
    const maps = ['-map', '1', '-map', '0', '-c', 'copy', '-disposition:v:0', 'attached_pic'];
    await ffmpeg(['-i', clip, '-i', cover, ...maps, path]);
    expect((await probe(path)).video).toMatchObject({ codec: 'h264', codedWidth: 320 });
  });
});

describe('refusing a clip', () => {
  it('that was cut short, wherever its index lies', async () => {
    const fast = await copied('fast.mp4', ['-c', 'copy', '-movflags', '+faststart']);
    expect((await probe(fast)).streamCount).toBe(2);
    const short = await altered('short.mp4', fast, (bytes) => bytes.subarray(0, -1));
    await expect(probe(short)).rejects.toMatchObject({ code: 'media_truncated' });
    const noIndex = await altered('no-index.mp4', clip, (bytes) =>
      bytes.subarray(0, bytes.indexOf('moov') - 100),
    );
    await expect(probe(noIndex)).rejects.toMatchObject({ code: 'media_truncated' });
    const matroska = await copied('whole.mkv', ['-c', 'copy']);
    const cut = await altered('cut.mkv', matroska, (bytes) => bytes.subarray(0, -100));
    await expect(probe(cut)).rejects.toMatchObject({ code: 'media_truncated' });
  });

  it('whose tables promise more than they hold', async () => {
    const bad = await altered('stts.mp4', clip, (bytes) => {
      bytes.writeUInt32BE(0x0fffffff, bytes.indexOf('stts') + 8);
      return bytes;
    });
    await expect(probe(bad)).rejects.toMatchObject({
      code: 'media_malformed',
      detail: 'The file is damaged. Its "stts" table promises more entries than it holds.',
    });
  });

  it('whose data lies in another file', async () => {
    const bad = await altered('dref.mp4', clip, (bytes) => {
      bytes.writeUInt32BE(0, bytes.indexOf('url ') + 4);
      return bytes;
    });
    await expect(probe(bad)).rejects.toMatchObject({ code: 'media_external_reference' });
  });

  it('that is encrypted', async () => {
    const key = '0123456789abcdef0123456789abcdef';
    const scheme = ['-encryption_scheme', 'cenc-aes-ctr', '-encryption_key', key, '-encryption_kid', key];
    await expect(probe(await copied('cenc.mp4', ['-c', 'copy', ...scheme]))).rejects.toMatchObject({
      code: 'media_encrypted',
    });
  });

  it('in a codec that is not supported, by its name', async () => {
    const odd = await copied('odd.mkv', ['-c:v', 'ffv1', '-c:a', 'copy']);
    await expect(probe(odd)).rejects.toMatchObject({
      code: 'media_unsupported_codec',
      detail: 'The video is encoded with ffv1, which is not supported.',
    });
  });

  it('without pictures', async () => {
    await expect(probe(await copied('sound.mp4', ['-vn', '-c', 'copy']))).rejects.toMatchObject({
      code: 'media_no_video_stream',
      detail: expect.stringMatching(/^The file holds only sound, no moving picture; .* audioOnly .*\.$/),
    });
  });
});

describe('trouble that is not the file', () => {
  const FAILURE = new Error('storage went away');

  it('is told as what it is when storage fails under ffprobe', async () => {
    const stub = scratch.path('stub.txt');
    await writeFile(stub, 'nothing of the clip arrives here');
    await using other = await openFileSource(stub);
    await expect(probe(clip, () => ({ url: other.url }))).rejects.toMatchObject({ code: 'media_malformed' });
    const broken = probe(clip, () => ({ url: other.url, failure: FAILURE }));
    await expect(broken).rejects.toBe(FAILURE);
  });

  it('stops when the task is aborted', async () => {
    await expect(probe(clip, () => ({}), AbortSignal.abort())).rejects.toMatchObject({ isAborted: true });
  });
});

describe('packet times', () => {
  it('come from the lines of ffprobe, by stream, without packets to be discarded', () => {
    const text =
      '0|1.5|1.4|0.04|K_\n1|1.5|1.5|0.02|K_\n0|1.58|1.44|0.04|__\n0|N/A|1.54|N/A|__\n0|1.3|1.3|0.04|KD\n';
    // A pipe cuts its text anywhere.
    for (const cut of [0, 7, 17, text.length]) {
      const reader = new PacketReader([0]);
      reader.read(text.slice(0, cut));
      reader.read(text.slice(cut));
      expect(reader.end()).toEqual(
        new Map([[0, { starts: [1.5, 1.58, 1.54], durations: [0.04, 0.04, 0], keys: [1.5] }]]),
      );
    }
  });

  it('give a last picture of no stated length the length of an ordinary one', () => {
    const times = { starts: [0, 0.08, 0.04, 0.12], durations: [0.001, 0.001, 0.001, 0.001], keys: [0] };
    expect(pictureTiming(times, 25)?.endSeconds).toBeCloseTo(0.16, 9);
    expect(pictureTiming({ starts: [3], durations: [0], keys: [3] }, 25)?.endSeconds).toBeCloseTo(3.04, 9);
    expect(pictureTiming({ starts: [], durations: [], keys: [] }, 25)).toBeUndefined();
  });
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Plan } from '../../shared/plan.ts';
import { planJob } from '../../shared/plan-job.ts';
import type { SourceInfo } from '../../shared/source-info.ts';
import { audioCommand, chunkCommand, inputOptions } from '../../transcoder/ffmpeg/args.ts';
import { posterCommand } from '../../transcoder/ffmpeg/image-args.ts';
import { type FfmpegCommand, runFfprobe } from '../../transcoder/ffmpeg/run.ts';
import { openFileSource } from '../support/file-source.ts';
import { makeClip, makeFolder } from '../support/media.ts';
import { LIMITS } from './encoding.ts';

const INPUT = { url: 'http://127.0.0.1:9/x', threads: 3 };

function plan(change: Partial<SourceInfo['video']> = {}, rest: Partial<SourceInfo> = {}): Plan {
  const video = {
    ...{ streamIndex: 1, codec: 'h264', codedWidth: 1280, codedHeight: 720, sar: { num: 1, den: 1 } },
    ...{ rotationDegrees: 0 as const, pixelFormat: 'yuv420p', isInterlaced: false, startSeconds: 0 },
    ...{ durationSeconds: 60, averageFps: 30000 / 1001, isVariableFrameRate: false, ...change },
  };
  const audio = [{ streamIndex: 0, codec: 'ac3', channels: 6, sampleRate: 48_000, language: 'en' }];
  return planJob(
    {
      ...{ demuxer: 'mov', sizeBytes: 1e8, streamCount: 2, durationSeconds: 60, video },
      audio: audio.map((track) => ({ ...track, isDefault: true, startSeconds: 0, durationSeconds: 60 })),
      keyFrameSeconds: Array.from({ length: 30 }, (_, index) => index * 2),
      ...rest,
    },
    { segmentSeconds: 6, preset: 'veryfast' },
  );
}

function optionOf(options: string[], name: string): string | undefined {
  const at = options.indexOf(name);
  return at < 0 ? undefined : options[at + 1];
}

const chunk = (of: Plan, firstFrame: number, endFrame: number): FfmpegCommand =>
  chunkCommand(of, INPUT, { firstFrame, endFrame }, ({ name }) => `/s/${name}.mp4`);

describe('a chunk', () => {
  test('scales down the ladder from one decode, on the exact frame grid', () => {
    const command = chunk(plan(), 180, 540);
    expect(command.filterGraph?.split(';')).toEqual([
      '[0:1]settb=1/30000,' +
        'fps=fps=30000/1001:start_time=6.006000:round=near:eof_action=pass,' +
        'scale=1280:720:flags=bicubic:in_color_matrix=bt709:out_color_matrix=bt709:out_range=tv,' +
        'setsar=1,format=yuv420p,split=2[v3][s2]',
      '[s2]scale=854:480:flags=bicubic,setsar=1,split=2[v2][s1]',
      '[s1]scale=640:360:flags=bicubic,setsar=1,split=2[v1][s0]',
      '[s0]scale=426:240:flags=bicubic,setsar=1[v0]',
    ]);
    expect(command.outputs.map(({ path }) => path)).toEqual([
      '/s/240p.mp4',
      '/s/360p.mp4',
      '/s/480p.mp4',
      '/s/720p.mp4',
    ]);
  });

  test('gives tiles of the smallest rung as its last output, on the grid of the whole video', () => {
    const of = plan();
    const withTiles = chunkCommand(
      of,
      INPUT,
      { firstFrame: 180, endFrame: 540 },
      ({ name }) => name,
      't.mjpg',
    );
    expect(withTiles.filterGraph?.split(';').slice(-2)).toEqual([
      '[s0]scale=426:240:flags=bicubic,setsar=1,split=2[v0][t]',
      "[t]select='not(mod(n+0,60))',scale=240:136:flags=bicubic:" +
        'in_color_matrix=bt709:out_color_matrix=bt601:out_range=pc,format=yuvj420p[tiles]',
    ]);
    expect(withTiles.outputs).toHaveLength(5);
    expect(withTiles.outputs[4]).toMatchObject({ path: 't.mjpg' });
    expect(optionOf(withTiles.outputs[4]!.options, '-frames:v')).toBe('6');
    // A run that holds no frame of the grid has none.
    const rare = { ...of, thumbnails: { ...of.thumbnails!, intervalFrames: 900 } };
    const none = chunkCommand(rare, INPUT, { firstFrame: 180, endFrame: 540 }, ({ name }) => name, 't.mjpg');
    expect(none.filterGraph).toBe(chunk(rare, 180, 540).filterGraph);
    expect(none.outputs).toHaveLength(4);
  });

  test('repeats every option for every output', () => {
    const lists = chunk(plan(), 180, 540).outputs.map(({ options }) => options);
    for (const [index, options] of lists.entries()) {
      expect(optionOf(options, '-map')).toBe(`[v${index}]`);
      expect(options.filter((option) => option === '-frames:v')).toHaveLength(1);
      expect(optionOf(options, '-frames:v')).toBe('360');
      expect(optionOf(options, '-g')).toBe('60');
      expect(optionOf(options, '-video_track_timescale')).toBe('30000');
      expect(optionOf(options, '-map_metadata')).toBe('-1');
    }
    expect(lists.map((options) => optionOf(options, '-crf'))).toEqual(['20', '21', '21', '21']);
    expect(lists.map((options) => optionOf(options, '-maxrate'))).toEqual([
      '400000',
      '800000',
      '1400000',
      '2800000',
    ]);
  });

  test('gives the largest encoder all threads, and each below half as many', () => {
    const threadsOf = (of: Plan, threads: number) =>
      chunkCommand(of, { ...INPUT, threads }, { firstFrame: 0, endFrame: 60 }, () => 'x').outputs.map(
        ({ options }) => optionOf(options, '-threads'),
      );
    const one = plan();
    expect(threadsOf(one, 2)).toEqual(['1', '1', '1', '2']);
    expect(threadsOf(one, 8)).toEqual(['1', '2', '4', '8']);
    expect(threadsOf({ ...one, renditions: one.renditions.slice(0, 1) }, 2)).toEqual(['2']);
  });

  test('seeks a second before its first frame where the source has an index', () => {
    const options = (of: Plan, firstFrame: number) =>
      chunk(of, firstFrame, firstFrame + 180).inputs[0]!.options;
    expect(optionOf(options(plan(), 180), '-ss')).toBe('5.006000');
    expect(options(plan(), 180)).toContain('-noaccurate_seek');
    expect(options(plan(), 0)).not.toContain('-ss');
    const sequential = plan({}, { keyFrameSeconds: undefined });
    expect(options(sequential, 180)).not.toContain('-ss');
  });

  test('holds the last picture for a quarter of a second only where the plan ends', () => {
    const of = plan();
    expect(chunk(of, 180, 540).filterGraph).not.toContain('tpad');
    expect(chunk(of, 180, of.totalFrames).filterGraph).toContain('tpad=stop_mode=clone:stop=7,');
    const slow = plan({ averageFps: 10 });
    expect(chunk(slow, 0, slow.totalFrames).filterGraph).toContain('stop=3,');
  });

  test('deinterlaces and maps HDR to tagged BT.709 only where the source needs it', () => {
    expect(chunk(plan(), 0, 180).filterGraph).not.toMatch(/bwdif|tonemap/);
    expect(chunk(plan({ isInterlaced: true }), 0, 180).filterGraph).toMatch(/^\[0:1]scale=1280:720,bwdif=/);
    const hdr = chunk(plan({ colorTransfer: 'smpte2084' }), 0, 180);
    expect(hdr.filterGraph).toContain('tonemap=hable');
    for (const { options } of hdr.outputs) expect(optionOf(options, '-colorspace')).toBe('bt709');
  });
});

test('every rung says what its colours mean, by the plan alone', () => {
  const sd = plan({ codedWidth: 640, codedHeight: 360, colorPrimaries: 'bt470bg' });
  const { outputs, filterGraph } = chunk(sd, 0, 180);
  expect(outputs).toHaveLength(2);
  for (const { options } of outputs) {
    expect(optionOf(options, '-color_primaries')).toBe('bt470bg');
    expect(optionOf(options, '-color_trc')).toBe('smpte170m');
    expect(optionOf(options, '-colorspace')).toBe('smpte170m');
    expect(optionOf(options, '-color_range')).toBe('tv');
  }
  expect(filterGraph).toContain('in_color_matrix=bt601:out_color_matrix=bt601');
});

test('the filter graph outlives a change of picture size, and turns pictures of one size itself', () => {
  const upright = chunk(plan(), 0, 180);
  expect(optionOf(upright.inputs[0]!.options, '-reinit_filter')).toBe('0');
  expect(upright.inputs[0]!.options).toContain('-noautorotate');
  expect(upright.filterGraph).not.toMatch(/transpose|flip/);
  const turned = chunk(plan({ rotationDegrees: 90, isInterlaced: true }), 0, 180);
  expect(optionOf(turned.inputs[0]!.options, '-reinit_filter')).toBe('0');
  expect(turned.filterGraph).toMatch(/^\[0:1]scale=1280:720,bwdif=[^,]+,transpose=clock,/);
  const mirrored = chunk(plan({ rotationDegrees: 270, isMirrored: true }), 0, 180);
  expect(mirrored.filterGraph).toMatch(/^\[0:1]scale=1280:720,hflip,transpose=cclock,/);
});

describe('the time axis', () => {
  test('starts at the time zero the plan was made with', () => {
    const of = plan({}, { zeroSeconds: 43473.703389 });
    for (const command of [chunk(of, 0, 180), audioCommand(of, of.audio[0]!, INPUT, 'a.mp4')]) {
      expect(optionOf(command.inputs[0]!.options, '-itsoffset')).toBe('-43473.703388');
      expect(command.inputs[0]!.options).not.toContain('-start_at_zero');
    }
    expect(chunk(plan(), 0, 180).inputs[0]!.options).toContain('-start_at_zero');
  });
});

test('audio is mixed down to stereo, or copied where the plan says so', () => {
  const of = plan();
  const track = of.audio[0]!;
  const encoded = audioCommand(of, track, INPUT, 'a.mp4').outputs[0]!.options;
  expect(optionOf(encoded, '-af')).toContain('channel_layouts=stereo');
  expect(optionOf(encoded, '-map')).toBe('0:0');
  const copied = audioCommand(of, { ...track, isCopied: true }, INPUT, 'a.mp4').outputs[0]!.options;
  expect(optionOf(copied, '-c:a')).toBe('copy');
  expect(copied).not.toContain('-af');
  // On audio these write a decode time of 2^64-1024.
  for (const options of [encoded, copied])
    expect(options.join(' ')).not.toMatch(/frag_discont|avoid_negative_ts/);
});

test('a poster of a long picture keeps its shape within 1280 pixels', () => {
  const search = { fromSeconds: 3, windowSeconds: 30, isKeyFramesOnly: true, skipsBlack: true };
  const command = posterCommand(plan({ codedWidth: 3840, codedHeight: 1600 }), INPUT, search, 'p.jpg');
  expect(command.filterGraph).toContain('scale=1280:534:');
});

describe('input options', () => {
  let clip: string;
  let folder: string;
  beforeAll(async () => {
    folder = await makeFolder('args');
    clip = await makeClip(join(folder, 'clip.mp4'), { seconds: 0.5, size: '64x64' });
  });
  const probe = (
    url: string,
    demuxer: string,
    change: (options: string[]) => string[] = (options) => options,
  ) =>
    runFfprobe(
      [
        '-v',
        'error',
        ...change(inputOptions({ url, demuxer })),
        '-show_entries',
        'stream=codec_name',
        '-of',
        'csv=p=0',
      ],
      url,
      { directory: folder, limits: LIMITS },
    );

  test('read a clip to its end from a file and over HTTP', async () => {
    await using source = await openFileSource(clip);
    expect((await probe(clip, 'mov')).trim().split('\n')).toEqual(['h264', 'aac']);
    expect((await probe(source.url, 'mov')).trim().split('\n')).toEqual(['h264', 'aac']);
  });

  test('refuse a playlist that calls itself a movie', async () => {
    const playlist = join(folder, 'playlist.mp4');
    await writeFile(
      playlist,
      `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://${clip}\n#EXT-X-ENDLIST\n`,
    );
    await expect(probe(playlist, 'mov')).rejects.toThrow();
  });

  test('let ffmpeg open no other format and no other protocol', async () => {
    const swap = (name: string, value: string) => (options: string[]) =>
      options.map((option, index) => (options[index - 1] === name ? value : option));
    await expect(probe(clip, 'mov', swap('-format_whitelist', 'matroska'))).rejects.toThrow();
    await expect(probe(clip, 'mov', swap('-protocol_whitelist', 'http,tcp'))).rejects.toThrow();
    await expect(probe(clip, 'mov', swap('-format_whitelist', 'mov'))).resolves.toContain('h264');
  });
});

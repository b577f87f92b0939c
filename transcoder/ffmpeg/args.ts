// Every ffmpeg command line, as pure functions of the plan. The recipes are measured: chunks joined from these
// commands show the same pictures as one run over the whole file. Options of an output bind to that output
// alone, so each output repeats them.
import { MEDIA_LIMITS } from '../../shared/limits.ts';
import type { Plan, PlannedAudio, PlannedRendition } from '../../shared/plan.ts';
import { SEEK_MARGIN_SECONDS } from '../../shared/plan.ts';
import { tilesWithin } from '../../shared/plan-thumbnails.ts';
import { frameSeconds, framesPerSecond } from '../../shared/timeline.ts';
import { DECODER_ALLOWLIST } from './allowlist.ts';
import { encoderOptions } from './encoder-options.ts';
import { chunkFilterGraph } from './filters.ts';
import type { FfmpegCommand } from './run.ts';

export type Input = { url: string; threads: number };

/** A run of frames of the plan's grid: first (inclusive), end (exclusive). */
export type FrameRun = { firstFrame: number; endFrame: number };

/** A source may end this much before its plan says; the last picture is held for the rest. */
const LAST_PICTURE_HOLD_SECONDS = 0.25;

/** ffmpeg's own options; ffprobe knows no `-nostdin`. */
export const GLOBAL_OPTIONS = ['-nostdin', '-y', '-v', 'error'];
/** Nothing of the source's metadata (places, devices, names) and nothing of the encoder's build is written. */
export const ANONYMOUS = ['-map_metadata', '-1', '-map_chapters', '-1', '-fflags', '+bitexact'];

/** One fragment per GOP, each at its own time, and nothing that is known only at the end. */
export const MP4_OPTIONS = [
  ...['-f', 'mp4', '-movflags'],
  '+cmaf+empty_moov+default_base_moof+frag_keyframe+frag_discont+skip_trailer',
];

/**
 * What hardens every read of a source, for ffmpeg and ffprobe alike: the demuxer is forced, and it may open
 * neither another format, nor another protocol than the one the source is served by, nor an unlisted decoder.
 */
export function inputOptions(input: { url: string; demuxer: string }): string[] {
  const isHttp = input.url.startsWith('http://');
  return [
    ...['-protocol_whitelist', isHttp ? 'http,tcp' : 'file'],
    ...['-format_whitelist', input.demuxer],
    ...['-codec_whitelist', DECODER_ALLOWLIST],
    ...['-max_pixels', String(MEDIA_LIMITS.maxPixels)],
    // Without these a dropped connection looks like the end of the file, with exit code 0.
    ...(isHttp ? ['-reconnect', '1', '-reconnect_on_network_error', '1', '-reconnect_delay_max', '5'] : []),
    ...(isHttp ? ['-rw_timeout', '15000000'] : []),
    ...['-f', input.demuxer],
  ];
}

/**
 * One decode of a run of frames, every rung of the ladder as fragmented MP4 with one fragment per GOP, and the
 * run's tiles as JPEGs in one file.
 *
 * @param tilesPath Where the tiles go; without it none are made.
 */
export function chunkCommand(
  plan: Plan,
  input: Input,
  run: FrameRun,
  outputPath: (rendition: PlannedRendition) => string,
  tilesPath?: string,
): FfmpegCommand {
  const frames = run.endFrame - run.firstFrame;
  const tiles = tilesPath && plan.thumbnails ? tilesWithin(plan.thumbnails, run) : 0;
  return {
    inputs: [runInput(plan, input, run)],
    filterGraph: chunkFilterGraph(plan, {
      ...gridOfRun(plan, run),
      ...(tiles > 0 ? { tilesFromFrame: run.firstFrame } : {}),
    }),
    outputs: [
      ...plan.renditions.map((rendition, index) => ({
        options: [
          '-map',
          `[v${index}]`,
          ...videoOutputOptions(
            plan,
            rendition,
            frames,
            encoderThreads(input.threads, rungsAbove(plan, index)),
          ),
        ],
        path: outputPath(rendition),
      })),
      // Last: ffmpeg's count of frames is that of its first output.
      ...(tilesPath && tiles > 0 ? [{ options: tileOutputOptions(tiles), path: tilesPath }] : []),
    ],
    ...(plan.encoder.codec === 'libx264' ? {} : { usesGpu: true }),
  };
}

/**
 * Broadcasts and browser recordings change their picture size on the way. ffmpeg would build the graph anew, and the
 * new `fps` would count from the chunk's start again; kept as it is, its scaler takes pictures of any size.
 */
const KEEPS_ITS_GRAPH = ['-reinit_filter', '0'];

/** The source, sought to a little before a run of frames. */
export function runInput(plan: Plan, input: Input, run: FrameRun): FfmpegCommand['inputs'][number] {
  const seekSeconds = frameSeconds(run.firstFrame, plan.fps) - SEEK_MARGIN_SECONDS;
  const seek =
    plan.source.isSeekable && seekSeconds > 0 ? ['-noaccurate_seek', '-ss', seconds(seekSeconds)] : [];
  return sourceInput(plan, input, [...KEEPS_ITS_GRAPH, ...sourceTimeAxis(plan), ...seek]);
}

/** Where the frame grid of a run begins, and what is to be held at the end of the film. */
export function gridOfRun(plan: Plan, run: FrameRun): { startSeconds: string; heldFrames: number } {
  const isLast = run.endFrame === plan.totalFrames;
  const holdFrames = Math.round(LAST_PICTURE_HOLD_SECONDS * framesPerSecond(plan.fps));
  return {
    startSeconds: seconds(frameSeconds(run.firstFrame, plan.fps)),
    heldFrames: isLast ? Math.max(2, holdFrames) : 0,
  };
}

/**
 * Sound at the times its frames have. A hole from 40 ms on is filled at once, a drift above 20 ms is stretched away;
 * below that it is the rounding of containers, and following it would only wobble the pitch. Without `flags=res` the
 * first stretching starts the resampler anew, which puts the silence before `first_pts` there once more.
 */
const FRAME_TIMES_KEPT = 'aresample=async=1000:min_comp=0.02:min_hard_comp=0.04:first_pts=0:flags=res';

/**
 * A whole audio track as fragmented MP4 with small fragments and one edit that hides the encoder's priming.
 *
 * @param filters For a track that is encoded, each with a trailing comma.
 */
export function audioCommand(
  plan: Plan,
  audio: PlannedAudio,
  input: Input,
  path: string,
  filters = '',
): FfmpegCommand {
  const codec = audio.isCopied
    ? // MPEG-TS carries ADTS headers, which MP4 does not; elsewhere the filter passes frames on.
      ['-c:a', 'copy', '-bsf:a', 'aac_adtstoasc']
    : [
        // Silence before a late start and in holes; 44.1 kHz stays, anything else becomes the nearer of the two.
        ...[
          '-af',
          `${FRAME_TIMES_KEPT},${filters}${silenceAfter(audio)}aformat=sample_rates=48000|44100:channel_layouts=${layoutOf(audio)}`,
        ],
        ...['-c:a', 'aac', '-b:a', String(audio.bitrateBps), '-flags:a', '+bitexact'],
      ];
  return {
    // Some sound is better than none: ffmpeg would fail where more than two thirds cannot be decoded.
    inputs: [sourceInput(plan, { ...input, threads: 1 }, ['-max_error_rate', '1', ...sourceTimeAxis(plan)])],
    outputs: [
      {
        options: [
          ...['-map', `0:${audio.streamIndex}`, '-vn', '-sn', '-dn', ...codec, ...ANONYMOUS],
          // `cmaf` would leave the edit list out and play 21 ms late; see isobmff/audio-track.ts.
          ...['-f', 'mp4', '-movflags', '+dash+delay_moov+skip_sidx+skip_trailer'],
          ...['-frag_duration', '500000', '-flush_packets', '1'],
        ],
        path,
      },
    ],
  };
}

function silenceAfter({ silentUntilSeconds }: PlannedAudio): string {
  return silentUntilSeconds === undefined ? '' : `apad=whole_dur=${seconds(silentUntilSeconds)},`;
}

const CHANNEL_LAYOUTS: Record<number, string> = { 1: 'mono', 2: 'stereo', 6: '5.1' };

export function layoutOf({ channels }: PlannedAudio): string {
  return CHANNEL_LAYOUTS[channels] ?? 'stereo';
}

/** The source as the one input of a command. */
export function sourceInput(
  plan: Plan,
  { url, threads }: Input,
  options: string[],
): FfmpegCommand['inputs'][number] {
  return {
    options: [
      ...GLOBAL_OPTIONS,
      // More cut each picture into slices, which costs CPU and time while encoders fill the cores (4.7 % of a 720p film's
      // time on two), and makes what tone mapping gives depend on their number.
      ...['-filter_complex_threads', '1'],
      ...inputOptions({ url, demuxer: plan.source.demuxer }),
      // Its code does not expect pictures that change their size; see `upright` in filters.ts.
      '-noautorotate',
      ...['-threads', String(threads)],
      ...options,
    ],
    url,
  };
}

/**
 * The time axis starts where the file's video or audio starts, so that they keep their offset. `-start_at_zero`
 * alone does not do it: on MPEG-TS and its like ffmpeg 5.1 moves zero to the first of the streams in use
 * (`Correcting start time`) where its offset is exactly the start time, hence the odd microsecond.
 */
function sourceTimeAxis(plan: Plan): string[] {
  const { zeroSeconds } = plan.source;
  if (zeroSeconds === undefined) return ['-copyts', '-start_at_zero'];
  return ['-copyts', '-itsoffset', seconds(0.000001 - zeroSeconds)];
}

function videoOutputOptions(plan: Plan, rung: PlannedRendition, frames: number, threads: number): string[] {
  return [
    ...['-an', '-sn', '-dn', '-frames:v', String(frames)],
    ...encoderOptions(plan, rung, threads),
    ...['-fps_mode', 'passthrough', '-video_track_timescale', String(plan.timescale)],
    ...colorTags(plan.color),
    ...ANONYMOUS,
    ...['-flags:v', '+bitexact', '-avoid_negative_ts', 'disabled', '-flush_packets', '1'],
    ...MP4_OPTIONS,
  ];
}

/**
 * Threads of an encoder beside those of the other rungs: all for the largest, which is about half of the work, and
 * half as many for each below. More would only wait for each other, 10 % of the CPU time of four rungs on two cores;
 * fewer would leave cores idle, since an encoder of one thread works in ffmpeg's own.
 */
function encoderThreads(threads: number, rungsAbove: number): number {
  return Math.max(1, threads >> rungsAbove);
}

/** Rungs of the same encoder that are larger. */
function rungsAbove({ renditions }: Plan, index: number): number {
  return renditions.filter((other, place) => place > index && other.encoder === renditions[index]!.encoder)
    .length;
}

function tileOutputOptions(tiles: number): string[] {
  return [
    ...['-map', '[tiles]', '-an', '-sn', '-dn', '-frames:v', String(tiles), '-fps_mode', 'passthrough'],
    ...['-c:v', 'mjpeg', '-q:v', '3', '-threads', '1', ...ANONYMOUS, '-flags:v', '+bitexact'],
    ...['-flush_packets', '1', '-f', 'mjpeg'],
  ];
}

/** Said of every output: left alone, each would take what the first frame of its chunk happens to carry. */
function colorTags({ primaries, transfer, matrix }: Plan['color']): string[] {
  return [
    ...['-color_primaries', primaries, '-color_trc', transfer, '-colorspace', matrix],
    ...['-color_range', 'tv'],
  ];
}

/** Seconds as ffmpeg reads them, to the microsecond it keeps. */
export function seconds(value: number): string {
  return value.toFixed(6);
}

// What each encoder is told: the same promises (closed GOPs of the plan's length, quality under a cap) in its words.
import type { EncoderPreset, ExtraEncoder, VideoEncoder } from '../../shared/encoder.ts';
import type { Plan, PlannedRendition } from '../../shared/plan.ts';

type EncoderChoice = Pick<Plan, 'encoder' | 'gopFrames'>;

const OPTIONS: Record<
  VideoEncoder | ExtraEncoder,
  (plan: EncoderChoice, rung: PlannedRendition, threads: number) => string[]
> = {
  libx264: x264Options,
  h264_nvenc: nvencOptions,
  libx265: x265Options,
  libsvtav1: svtAv1Options,
};

/** Quality where there is room, the rung's cap where there is not, a key frame every GOP and nowhere else. */
export function encoderOptions(plan: EncoderChoice, rung: PlannedRendition, threads: number): string[] {
  return OPTIONS[rung.encoder ?? plan.encoder.codec](plan, rung, threads);
}

function x264Options(plan: EncoderChoice, rung: PlannedRendition, threads: number): string[] {
  const gop = String(plan.gopFrames);
  return [
    ...['-c:v', 'libx264', '-preset', plan.encoder.preset, '-threads', String(threads)],
    ...['-crf', String(rung.crf), ...capOptions(rung)],
    ...['-profile:v', 'high', '-g', gop, '-keyint_min', gop, '-sc_threshold', '0'],
  ];
}

/** From fast to careful, as NVIDIA counts. */
const NVENC_PRESETS: Record<EncoderPreset, string> = {
  ultrafast: 'p1',
  superfast: 'p2',
  veryfast: 'p3',
  faster: 'p4',
  fast: 'p5',
  medium: 'p6',
  slow: 'p7',
};

function nvencOptions(plan: EncoderChoice, rung: PlannedRendition): string[] {
  const gop = plan.gopFrames;
  return [
    ...['-c:v', 'h264_nvenc', '-preset', NVENC_PRESETS[plan.encoder.preset], '-tune', 'hq'],
    // Constant quality under a cap: `cq` rules where no bitrate is asked for.
    ...['-rc', 'vbr', '-cq', String(rung.crf), '-b:v', '0', ...capOptions(rung)],
    // Each GOP begins with an IDR picture, forced by number as well as by length, and none comes at a scene cut.
    ...['-profile:v', 'high', '-g', String(gop), '-forced-idr', '1', '-no-scenecut', '1', '-strict_gop', '1'],
    ...['-force_key_frames', `expr:not(mod(n,${gop}))`],
    // Without B pictures the order of decoding is that of showing on every generation of the hardware.
    ...['-bf', '0', '-b_ref_mode', 'disabled'],
  ];
}

function x265Options(plan: EncoderChoice, rung: PlannedRendition, threads: number): string[] {
  const { gopFrames, encoder } = plan;
  const words = {
    ...{ keyint: gopFrames, 'min-keyint': gopFrames, scenecut: 0, 'open-gop': 0 },
    // One frame at a time: no more threads than asked for, and no memory for pictures that wait.
    ...{ pools: threads, 'frame-threads': 1, info: 0, 'log-level': 'error' },
  };
  return [
    ...['-c:v', 'libx265', '-preset', encoder.preset, '-crf', String(rung.crf), ...capOptions(rung)],
    // Apple's players want parameter sets in the sample entry alone, which is what `hvc1` says.
    ...['-profile:v', 'main', '-tag:v', 'hvc1', '-g', String(gopFrames), '-x265-params', inWords(words)],
  ];
}

/** From fast to careful, as SVT-AV1 counts. */
const SVT_AV1_PRESETS: Record<EncoderPreset, number> = {
  ultrafast: 12,
  superfast: 11,
  veryfast: 10,
  faster: 9,
  fast: 8,
  medium: 7,
  slow: 6,
};

function svtAv1Options(plan: EncoderChoice, rung: PlannedRendition, threads: number): string[] {
  // Key frames that nothing refers past, where the grid wants them and nowhere else.
  const words = { 'irefresh-type': 2, scd: 0, lp: threads };
  return [
    ...['-c:v', 'libsvtav1', '-preset', String(SVT_AV1_PRESETS[plan.encoder.preset])],
    ...['-crf', String(rung.crf), ...capOptions(rung), '-g', String(plan.gopFrames)],
    ...['-svtav1-params', inWords(words)],
  ];
}

function inWords(words: Record<string, string | number>): string {
  return Object.entries(words)
    .map(([name, value]) => `${name}=${value}`)
    .join(':');
}

function capOptions({ maxBitrateBps, bufferBits }: PlannedRendition): string[] {
  return ['-maxrate', String(maxBitrateBps), '-bufsize', String(bufferBits)];
}

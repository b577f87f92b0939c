// What each encoder is told: the same promises (closed GOPs of the plan's length, quality under a cap) in its words.
import type { EncoderPreset, VideoEncoder } from '../../shared/encoder.ts';
import type { Plan, PlannedRendition } from '../../shared/plan.ts';

type EncoderChoice = Pick<Plan, 'encoder' | 'gopFrames'>;

const OPTIONS: Record<
  VideoEncoder,
  (plan: EncoderChoice, rung: PlannedRendition, threads: number) => string[]
> = {
  libx264: x264Options,
  h264_nvenc: nvencOptions,
};

/** Quality where there is room, the rung's cap where there is not, a key frame every GOP and nowhere else. */
export function encoderOptions(plan: EncoderChoice, rung: PlannedRendition, threads: number): string[] {
  return OPTIONS[plan.encoder.codec](plan, rung, threads);
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

function capOptions({ maxBitrateBps, bufferBits }: PlannedRendition): string[] {
  return ['-maxrate', String(maxBitrateBps), '-bufsize', String(bufferBits)];
}

// What a job's output cost and what it is worth, measured: bytes, bitrates, likeness to the source, CPU.
import { z } from 'zod';
import { EncoderPreset, ExtraEncoder, VideoEncoder } from './encoder.ts';
import { Trial } from './trial.ts';

/** Structural similarity to the source at the rung's own size, 1 for identical, over sampled pictures. */
export const SampledSsim = z.object({
  mean: z.number(),
  worst: z.number(),
  pictures: z.int().min(1),
});
export type SampledSsim = z.infer<typeof SampledSsim>;

export const ReceiptRung = z.object({
  name: z.string(),
  /** Of a rung beside the ladder; the others are made by the job's. */
  encoder: ExtraEncoder.optional(),
  width: z.int(),
  height: z.int(),
  sizeBytes: z.int(),
  averageBps: z.int(),
  /** Of the busiest segment. */
  peakBps: z.int(),
  /** The ceiling its ladder row sets. */
  maxBitrateBps: z.int(),
  /** Absent where sampling failed or found nothing to compare. */
  ssim: SampledSsim.optional(),
  /** The rung's part of the job's encoding time by its pixels and its encoder's measured effort: one process makes all. */
  cpuShareSeconds: z.number(),
  /** What the rung would take at a constant bitrate of its row. */
  fixedBitrateBytes: z.int(),
});
export type ReceiptRung = z.infer<typeof ReceiptRung>;

export const Receipt = z.object({
  version: z.literal(1),
  encoder: VideoEncoder,
  preset: EncoderPreset,
  durationSeconds: z.number(),
  /** User and system time of the attempts whose output was kept: of the video's encoder, and of the audio's. */
  cpuSeconds: z.object({ video: z.number(), audio: z.number(), sampling: z.number() }),
  rungs: z.array(ReceiptRung).min(1),
  audioBytes: z.int(),
  /** All rungs of the ladder at the constant bitrates of its rows, those included that the trial found needless. */
  fixedBitrateBytes: z.int(),
  /** Of that, what this ladder leaves unused; below 0 where it takes more. */
  savedPercent: z.number(),
  trial: Trial.optional(),
});
export type Receipt = z.infer<typeof Receipt>;

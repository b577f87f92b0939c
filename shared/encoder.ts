// The encoders of the video and how hard they try.
import { z } from 'zod';

export const EncoderPreset = z.enum([
  'ultrafast',
  'superfast',
  'veryfast',
  'faster',
  'fast',
  'medium',
  'slow',
]);
export type EncoderPreset = z.infer<typeof EncoderPreset>;

/** The second needs a transcoder with an NVIDIA GPU. */
export const VideoEncoder = z.enum(['libx264', 'h264_nvenc']);
export type VideoEncoder = z.infer<typeof VideoEncoder>;

/** Encoders of rungs beside the ladder, for players that know more than H.264. */
export const ExtraEncoder = z.enum(['libx265', 'libsvtav1']);
export type ExtraEncoder = z.infer<typeof ExtraEncoder>;

// What ffprobe prints with `-of json -show_format -show_streams`, as far as we read it. Numbers come as text.
import { z } from 'zod';

const SecondsText = z
  .string()
  .optional()
  .transform((text) => (text === undefined || !Number.isFinite(Number(text)) ? undefined : Number(text)));

export const ProbedStream = z.object({
  index: z.int().min(0),
  codec_type: z.string().optional(),
  codec_name: z.string().optional(),
  codec_tag_string: z.string().optional(),
  profile: z.string().optional(),
  /** The container's own track id, in hexadecimal. */
  id: z.string().optional(),
  width: z.number().optional(),
  height: z.number().optional(),
  sample_aspect_ratio: z.string().optional(),
  pix_fmt: z.string().optional(),
  color_primaries: z.string().optional(),
  color_transfer: z.string().optional(),
  color_space: z.string().optional(),
  field_order: z.string().optional(),
  r_frame_rate: z.string().optional(),
  avg_frame_rate: z.string().optional(),
  sample_rate: z.string().optional(),
  channels: z.number().optional(),
  start_time: SecondsText,
  duration: SecondsText,
  disposition: z.record(z.string(), z.number()).default({}),
  tags: z.record(z.string(), z.string()).default({}),
  side_data_list: z
    .array(z.looseObject({ side_data_type: z.string().optional(), rotation: z.number().optional() }))
    .default([]),
});
export type ProbedStream = z.infer<typeof ProbedStream>;

export const ProbedFile = z.object({
  streams: z.array(ProbedStream).default([]),
  format: z.object({ format_name: z.string(), start_time: SecondsText }),
});
export type ProbedFile = z.infer<typeof ProbedFile>;

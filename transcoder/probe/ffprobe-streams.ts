// What ffprobe prints with `-of json -show_format -show_streams -show_chapters`, as far as we read it. Numbers come as text.
import { z } from 'zod';
import type { AudioPurpose } from '../../shared/manifest-tracks.ts';
import { orientationOf, quarterTurn, type StreamFacts } from '../../shared/probe/stream-facts.ts';
import type { Rational } from '../../shared/timeline.ts';

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
    .array(z.looseObject({ displaymatrix: z.string().optional(), rotation: z.number().optional() }))
    .default([]),
});
export type ProbedStream = z.infer<typeof ProbedStream>;

const ProbedChapter = z.object({
  start_time: SecondsText,
  end_time: SecondsText,
  tags: z.record(z.string(), z.string()).default({}),
});

export const ProbedFile = z.object({
  chapters: z.array(ProbedChapter).default([]),
  streams: z.array(ProbedStream).default([]),
  format: z.object({ format_name: z.string(), start_time: SecondsText }),
});
export type ProbedFile = z.infer<typeof ProbedFile>;

export function streamFacts(stream: ProbedStream): StreamFacts {
  const { disposition } = stream;
  const sar = ratio(stream.sample_aspect_ratio, ':');
  const fps = declaredFps(stream);
  const language = tagOf(stream.tags, 'language');
  const purpose = audioPurpose(disposition);
  return {
    index: stream.index,
    kind: stream.codec_type === 'video' || stream.codec_type === 'audio' ? stream.codec_type : 'other',
    ...(stream.codec_name && stream.codec_name !== 'unknown' ? { codec: stream.codec_name } : {}),
    ...(stream.codec_tag_string ? { codecTag: stream.codec_tag_string } : {}),
    ...(stream.profile ? { profile: stream.profile } : {}),
    ...(stream.id ? { trackId: Number(stream.id) } : {}),
    width: stream.width ?? 0,
    height: stream.height ?? 0,
    ...(sar ? { sar } : {}),
    ...orientation(stream),
    ...(stream.pix_fmt ? { pixelFormat: stream.pix_fmt } : {}),
    ...(stream.color_primaries ? { colorPrimaries: stream.color_primaries } : {}),
    ...(stream.color_transfer ? { colorTransfer: stream.color_transfer } : {}),
    ...(stream.color_space ? { colorMatrix: stream.color_space } : {}),
    isInterlaced: ['tt', 'bb', 'tb', 'bt'].includes(stream.field_order ?? ''),
    ...(fps ? { declaredFps: fps } : {}),
    sampleRate: Number(stream.sample_rate ?? 0),
    channels: stream.channels ?? 0,
    ...(language ? { language } : {}),
    ...(purpose ? { purpose } : {}),
    isDefault: disposition.default === 1,
    isStill:
      disposition.attached_pic === 1 || disposition.timed_thumbnails === 1 || disposition.still_image === 1,
  };
}

/** Matroska spells the names of tags in capitals. */
export function tagOf(tags: Record<string, string>, name: string): string | undefined {
  return Object.entries(tags).find(([key]) => key.toLowerCase() === name)?.[1];
}

/** What an audio track beside the film's own sound is for. */
function audioPurpose(disposition: Record<string, number>): AudioPurpose | undefined {
  if (disposition.comment === 1) return 'commentary';
  return disposition.visual_impaired === 1 || disposition.descriptions === 1 ? 'description' : undefined;
}

function declaredFps(stream: ProbedStream): number | undefined {
  return [stream.avg_frame_rate, stream.r_frame_rate]
    .map((text) => ratio(text, '/'))
    .flatMap((rate) => (rate ? [rate.num / rate.den] : []))
    .find((fps) => fps >= 1 && fps <= 240);
}

/** ffprobe prints the matrix as three numbered rows of 16.16 numbers, and a counter-clockwise angle. */
function orientation(stream: ProbedStream): ReturnType<typeof orientationOf> {
  const found = stream.side_data_list.find(({ rotation }) => rotation !== undefined);
  const rows = [...(found?.displaymatrix ?? '').matchAll(/^\d+:\s+(-?\d+)\s+(-?\d+)\s+-?\d+$/gm)];
  const [[, a, b] = [], [, c, d] = []] = rows;
  const matrix = [a, b, c, d].map(Number);
  if (matrix.every(Number.isFinite) && matrix.some((entry) => entry !== 0)) {
    return orientationOf(matrix as [number, number, number, number]);
  }
  return { rotationDegrees: quarterTurn(-(found?.rotation ?? 0)) };
}

function ratio(text: string | undefined, separator: string): Rational | undefined {
  const [num, den] = (text ?? '').split(separator).map(Number);
  return Number.isInteger(num) && Number.isInteger(den) && num! > 0 && den! > 0
    ? { num: num!, den: den! }
    : undefined;
}

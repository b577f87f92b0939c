// Picks the streams worth keeping and reads their properties off ffprobe's answer.
import { AppError } from '../../shared/errors.ts';
import { languageTag } from '../../shared/language.ts';
import type { SourceAudio, SourceVideo } from '../../shared/plan.ts';
import type { Rational } from '../../shared/timeline.ts';
import { isDecodable } from './codecs.ts';
import type { ProbedStream } from './ffprobe-schema.ts';

/**
 * The video to show: no cover art; the first that the file marks as default, else the largest.
 *
 * @throws AppError media_no_video_stream, media_unsupported_codec
 */
export function chooseVideo(streams: ProbedStream[]): ProbedStream {
  const videos = streams.filter((stream) => stream.codec_type === 'video' && !isStill(stream));
  if (videos.length === 0) {
    const hasAudio = streams.some((stream) => stream.codec_type === 'audio');
    const what = hasAudio ? 'only sound, no moving picture' : 'no moving picture';
    throw new AppError('media_no_video_stream', { detail: `The file holds ${what}.` });
  }
  const decodable = videos.filter(({ codec_name }) => isDecodable(codec_name));
  if (decodable.length === 0) {
    const { codec_name, codec_tag_string } = videos[0]!;
    const name =
      [codec_name, codec_tag_string].find((text) => text && text !== 'unknown') ?? 'an unknown codec';
    throw new AppError('media_unsupported_codec', {
      detail: `The video is encoded with ${name.replace(/[^\w .-]/g, '?')}, which is not supported.`,
    });
  }
  const marked = decodable.find(({ disposition }) => disposition.default === 1);
  return marked ?? decodable.reduce((best, stream) => (pixels(stream) > pixels(best) ? stream : best));
}

/** Sound that can be decoded; broken streams are left out rather than failing the video. */
export function chooseAudio(streams: ProbedStream[]): ProbedStream[] {
  return streams.filter(
    (stream) =>
      stream.codec_type === 'audio' &&
      isDecodable(stream.codec_name) &&
      Number(stream.sample_rate) > 0 &&
      (stream.channels ?? 0) > 0,
  );
}

export function videoProperties(stream: ProbedStream): Omit<SourceVideo, keyof Timing> {
  return {
    streamIndex: stream.index,
    codec: stream.codec_name ?? '',
    codedWidth: Math.max(0, Math.trunc(stream.width ?? 0)),
    codedHeight: Math.max(0, Math.trunc(stream.height ?? 0)),
    sar: ratio(stream.sample_aspect_ratio, ':') ?? { num: 1, den: 1 },
    rotationDegrees: rotationOf(stream),
    pixelFormat: stream.pix_fmt ?? 'unknown',
    ...(stream.color_transfer ? { colorTransfer: stream.color_transfer } : {}),
    isInterlaced: ['tt', 'bb', 'tb', 'bt'].includes(stream.field_order ?? ''),
  };
}

type Timing = Pick<
  SourceVideo,
  'startSeconds' | 'durationSeconds' | 'averageFps' | 'typicalFps' | 'isVariableFrameRate'
>;

export function audioProperties(stream: ProbedStream): Omit<SourceAudio, 'startSeconds' | 'durationSeconds'> {
  return {
    streamIndex: stream.index,
    codec: stream.codec_name ?? '',
    ...(stream.profile ? { profile: stream.profile } : {}),
    channels: stream.channels ?? 1,
    sampleRate: Number(stream.sample_rate),
    language: languageTag(stream.tags.language),
    isDefault: stream.disposition.default === 1,
  };
}

/** What the header says of the pace; only ever a fallback. */
export function declaredFps(stream: ProbedStream): number {
  const rates = [stream.avg_frame_rate, stream.r_frame_rate].map((text) => ratio(text, '/'));
  const sane = rates
    .flatMap((rate) => (rate ? [rate.num / rate.den] : []))
    .find((fps) => fps >= 1 && fps <= 240);
  return sane ?? 25;
}

function isStill({ disposition }: ProbedStream): boolean {
  return (
    disposition.attached_pic === 1 || disposition.timed_thumbnails === 1 || disposition.still_image === 1
  );
}

function pixels({ width, height }: ProbedStream): number {
  return (width ?? 0) * (height ?? 0);
}

/** ffprobe prints the counter-clockwise angle, -90 for a phone held upright; ours is clockwise. */
function rotationOf(stream: ProbedStream): 0 | 90 | 180 | 270 {
  const printed = stream.side_data_list.find(({ rotation }) => rotation !== undefined)?.rotation ?? 0;
  const quarterTurns = Math.round(-printed / 90);
  return ([0, 90, 180, 270] as const)[((quarterTurns % 4) + 4) % 4] ?? 0;
}

function ratio(text: string | undefined, separator: string): Rational | undefined {
  const [num, den] = (text ?? '').split(separator).map(Number);
  return Number.isInteger(num) && Number.isInteger(den) && num! > 0 && den! > 0
    ? { num: num!, den: den! }
    : undefined;
}

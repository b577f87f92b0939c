// Picks the streams worth keeping and says what they are, whoever described them.
import { AppError } from '../errors.ts';
import { languageTag } from '../language.ts';
import type { SourceAudio, SourceVideo } from '../source-info.ts';
import { refuseSourceSize } from '../source-limits.ts';
import { isDecodable } from './decodable.ts';
import type { StreamFacts } from './stream-facts.ts';

export type ChosenStreams = { video: StreamFacts; audio: StreamFacts[]; streamCount: number };

/**
 * The one video and all usable sound of a file.
 *
 * @throws AppError media_no_video_stream, media_unsupported_codec, or as {@link refuseSourceSize}.
 */
export function chooseStreams(streams: StreamFacts[]): ChosenStreams {
  const video = chooseVideo(streams);
  refuseSourceSize(videoProperties(video), streams.length);
  return { video, audio: chooseAudio(streams), streamCount: streams.length };
}

/** No cover art; the first that the file marks as default, else the largest. */
function chooseVideo(streams: StreamFacts[]): StreamFacts {
  const videos = streams.filter(({ kind, isStill }) => kind === 'video' && !isStill);
  if (videos.length === 0) {
    const hasAudio = streams.some(({ kind }) => kind === 'audio');
    const what = hasAudio
      ? 'only sound, no moving picture; with the option audioOnly it is published as sound alone'
      : 'no moving picture';
    throw new AppError('media_no_video_stream', { detail: `The file holds ${what}.` });
  }
  const decodable = videos.filter(({ codec }) => isDecodable(codec));
  if (decodable.length === 0) {
    const { codec, codecTag } = videos[0]!;
    const name = codec ?? codecTag ?? 'an unknown codec';
    throw new AppError('media_unsupported_codec', {
      detail: `The video is encoded with ${name.replace(/[^\w .-]/g, '?')}, which is not supported.`,
    });
  }
  const marked = decodable.find(({ isDefault }) => isDefault);
  return marked ?? decodable.reduce((best, stream) => (pixels(stream) > pixels(best) ? stream : best));
}

/** Sound that can be decoded; broken streams are left out rather than failing the video. */
export function chooseAudio(streams: StreamFacts[]): StreamFacts[] {
  return streams.filter(
    ({ kind, codec, sampleRate, channels }) =>
      kind === 'audio' && isDecodable(codec) && sampleRate > 0 && channels > 0,
  );
}

export function videoProperties(stream: StreamFacts): Omit<SourceVideo, keyof Timing> {
  return {
    streamIndex: stream.index,
    codec: stream.codec ?? '',
    codedWidth: Math.max(0, Math.trunc(stream.width)),
    codedHeight: Math.max(0, Math.trunc(stream.height)),
    sar: stream.sar ?? { num: 1, den: 1 },
    rotationDegrees: stream.rotationDegrees,
    ...(stream.isMirrored && { isMirrored: true }),
    pixelFormat: stream.pixelFormat ?? 'unknown',
    ...(stream.colorPrimaries ? { colorPrimaries: stream.colorPrimaries } : {}),
    ...(stream.colorTransfer ? { colorTransfer: stream.colorTransfer } : {}),
    ...(stream.colorMatrix ? { colorMatrix: stream.colorMatrix } : {}),
    isInterlaced: stream.isInterlaced,
  };
}

type Timing = Pick<
  SourceVideo,
  'startSeconds' | 'durationSeconds' | 'averageFps' | 'typicalFps' | 'isVariableFrameRate'
>;

export function audioProperties(stream: StreamFacts): Omit<SourceAudio, 'startSeconds' | 'durationSeconds'> {
  return {
    streamIndex: stream.index,
    codec: stream.codec ?? '',
    ...(stream.profile ? { profile: stream.profile } : {}),
    channels: stream.channels,
    sampleRate: stream.sampleRate,
    language: languageTag(stream.language),
    isDefault: stream.isDefault,
    ...(stream.purpose && { purpose: stream.purpose }),
  };
}

function pixels({ width, height }: StreamFacts): number {
  return width * height;
}

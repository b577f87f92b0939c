// What ffprobe says of a source's subtitles and chapters.
import { type Chapter, keptChapters } from '../../shared/chapters.ts';
import { plainTitle } from '../../shared/cue-text.ts';
import { languageTag } from '../../shared/language.ts';
import type { SourceInfo, SourceSubtitle } from '../../shared/source-info.ts';
import { type ProbedFile, type ProbedStream, tagOf } from './ffprobe-streams.ts';

/** Codecs that a decoder of ours turns into text, in ffprobe's names. */
const TEXT_CODECS: ReadonlySet<string> = new Set(['subrip', 'ass', 'ssa', 'mov_text', 'webvtt', 'text']);
const MAX_LABEL_CHARS = 80;

type Texts = Required<Pick<SourceInfo, 'subtitles' | 'unreadableSubtitles' | 'chapters'>>;

export function textsOf(probed: ProbedFile, { zeroSeconds = 0, durationSeconds }: SourceInfo): Texts {
  const streams = probed.streams.filter(({ codec_type }) => codec_type === 'subtitle');
  const readable = streams.filter(({ codec_name }) => TEXT_CODECS.has(codec_name ?? ''));
  return {
    subtitles: readable.map(sourceSubtitle),
    unreadableSubtitles: streams.length - readable.length,
    chapters: chaptersOf(probed, zeroSeconds, durationSeconds),
  };
}

function sourceSubtitle({ index, codec_name = '', disposition, tags }: ProbedStream): SourceSubtitle {
  const title = plainTitle(tagOf(tags, 'title'), MAX_LABEL_CHARS);
  return {
    streamIndex: index,
    codec: codec_name,
    language: languageTag(tagOf(tags, 'language')),
    ...(title && { label: title }),
    isDefault: disposition.default === 1,
    isForced: disposition.forced === 1,
    isCaptions: disposition.hearing_impaired === 1 || disposition.captions === 1,
  };
}

function chaptersOf(probed: ProbedFile, zeroSeconds: number, durationSeconds: number): Chapter[] {
  const found = probed.chapters.flatMap(({ start_time, end_time, tags }) =>
    start_time === undefined || end_time === undefined
      ? []
      : [
          {
            startSeconds: start_time - zeroSeconds,
            endSeconds: end_time - zeroSeconds,
            title: tagOf(tags, 'title'),
          },
        ],
  );
  return keptChapters(found, durationSeconds);
}

// Reads back subtitles and chapters: the WebVTT files that shared/webvtt.ts writes and their sets in the MPD. It
// knows their form and no other, and shares no code with the writers.
import { type Attributes, xmlAttributes } from './read-manifests.ts';

export type ReadCue = { startSeconds: number; endSeconds: number; text: string };
export type ReadTextSet = { id: string; attributes: Attributes; uri: string };

const CUE = /^(\d{2,}):([0-5]\d):([0-5]\d\.\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d\.\d{3})( [a-z]+:\S+)*$/;

/** The cues of a file, or undefined where it is not of the form. */
export function readWebVtt(text: string): ReadCue[] | undefined {
  const [header, ...blocks] = text.trimEnd().split('\n\n');
  if (header !== 'WEBVTT') return undefined;
  const cues = blocks.map((block) => {
    const [timing = '', ...lines] = block.split('\n');
    const found = CUE.exec(timing);
    if (!found || lines.length === 0) return undefined;
    return {
      startSeconds: secondsOf(found.slice(1, 4)),
      endSeconds: secondsOf(found.slice(4, 7)),
      text: lines.join('\n'),
    };
  });
  return cues.every((cue) => cue !== undefined) ? cues : undefined;
}

export function readTextSets(mpd: string): ReadTextSet[] {
  const sets = mpd.matchAll(
    /<AdaptationSet ([^>]*contentType="text"[^>]*)>.*?<Representation ([^>]*)>\s*<BaseURL>([^<]*)</gs,
  );
  return [...sets].map(([, set, representation, uri]) => ({
    id: xmlAttributes(representation!).id ?? '',
    attributes: xmlAttributes(set!),
    uri: uri!,
  }));
}

function secondsOf([hours, minutes, seconds]: string[]): number {
  return Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

// WebVTT renditions: every file parses, and its cues lie within the presentation.
import type { Findings } from './findings.ts';
import type { Rendition } from './presentation.ts';
import type { ResourceLibrary } from './resource-library.ts';
import { readWebVtt } from './webvtt.ts';

/** A cue may linger over the last picture. */
const LINGER_SECONDS = 1;

/** @param limitSeconds how long the presentation lasts */
export async function checkText(
  findings: Findings,
  rendition: Rendition,
  limitSeconds: number | undefined,
  library: ResourceLibrary,
): Promise<void> {
  for (const segment of rendition.segments) {
    if (segment.init || segment.key) {
      findings.skip(
        `the text of ${rendition.name}`,
        segment.key ? 'it is encrypted' : 'it is not WebVTT by itself',
      );
      return;
    }
    const read = await library.document(segment.url, 'text');
    if (read) checkWebVtt(findings, segment.url, read.text, limitSeconds);
  }
}

export function checkWebVtt(
  findings: Findings,
  url: string,
  text: string,
  limitSeconds: number | undefined,
): void {
  const { cues, problems } = readWebVtt(text);
  findings.seeAll('webvtt-syntax', url, problems);
  const late =
    limitSeconds === undefined
      ? undefined
      : cues.find(
          ({ startSeconds, endSeconds }) =>
            startSeconds >= limitSeconds || endSeconds > limitSeconds + LINGER_SECONDS,
        );
  const backward = cues.find(({ startSeconds, endSeconds }) => endSeconds <= startSeconds);
  const problem = backward
    ? `The cue at ${backward.startSeconds} s ends at ${backward.endSeconds} s.`
    : late &&
      `The cue from ${late.startSeconds} to ${late.endSeconds} s lies past the end at ${limitSeconds!.toFixed(3)} s.`;
  findings.see('webvtt-times', url, problem);
}

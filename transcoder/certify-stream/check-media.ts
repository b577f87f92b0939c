// Does each rendition's media lie where its manifest says, without holes, each segment beginning with a key frame?
import type { Findings } from './findings.ts';
import { mainTrack, type ReadRendition, type Segment } from './presentation.ts';
import type { TrackFacts } from './segment-facts.ts';
import { secondsApart } from './timing.ts';

/** Clocks of milliseconds round every sample; nobody sees or hears it. */
const JOINT_SECONDS = 0.001;
/** Where the segments between were not read, their durations as the manifest says stand for them. */
const PLACE_SECONDS = 0.1;
/** Packagers disagree on how long the last AAC frame is when the sound ends within it. */
const LAST_FRAME_SECONDS = 0.025;

export function checkMedia(findings: Findings, rendition: ReadRendition): void {
  const { kind, facts, segments } = rendition;
  const unread = facts.filter((one) => one === undefined).length;
  if (unread > 0) findings.skip(`${unread} of ${segments.length} segments of ${rendition.name}`, 'not read');
  let previous: { segment: Segment; tracks: TrackFacts[] } | undefined;
  for (const segment of segments) {
    const read = facts[segment.index];
    const track = read && mainTrack(read, kind);
    if (!track) continue;
    if (track.kind === 'video') {
      const problem = 'It does not begin with a key frame.';
      findings.see('starts-with-key', segment.url, track.startsWithKey ? undefined : problem);
    }
    const isLast = segment.index === segments.length - 1;
    if (!segment.placed) checkDuration(findings, segment, track, isLast);
    if (previous) checkJoint(findings, previous, { segment, tracks: read.tracks });
    previous = { segment, tracks: read.tracks };
  }
  checkNumbers(findings, rendition);
}

function checkDuration(findings: Findings, segment: Segment, track: TrackFacts, isLast: boolean): void {
  const seconds = track.durationTicks / track.timescale;
  const cut = isLast && track.kind === 'audio' ? LAST_FRAME_SECONDS : 0;
  const tolerance = segment.toleranceSeconds + 1.5 / track.timescale + cut;
  const isExact = Math.abs(seconds - segment.seconds) <= tolerance;
  const problem = `EXTINF says ${segment.seconds} s, the samples last ${seconds.toFixed(6)} s.`;
  findings.see('extinf-exact', segment.url, isExact ? undefined : problem);
}

type Read = { segment: Segment; tracks: TrackFacts[] };

function checkJoint(findings: Findings, before: Read, after: Read): void {
  if (after.segment.isDiscontinuous) return;
  const isNext = after.segment.index === before.segment.index + 1;
  for (const track of after.tracks) {
    const earlier = before.tracks.find(({ trackId }) => trackId === track.trackId);
    if (!earlier) continue;
    const start = track.startTicks / track.timescale;
    const declared = before.segment.startSeconds + before.segment.seconds;
    const expected = isNext
      ? (earlier.startTicks + earlier.durationTicks) / track.timescale
      : earlier.startTicks / track.timescale + after.segment.startSeconds - before.segment.startSeconds;
    const slack = isNext
      ? jointSlack(track)
      : PLACE_SECONDS + after.segment.index * after.segment.toleranceSeconds;
    const offBy = secondsApart(start, expected, track);
    const problem = `Track ${track.trackId} starts at ${start.toFixed(4)} s, not at ${expected.toFixed(4)} s (${declared.toFixed(3)} s into the stream).`;
    findings.see('tfdt-continuous', after.segment.url, offBy <= slack ? undefined : problem);
  }
}

/** In MPEG-TS the end of a segment is worked out from its frames, whose times round. */
function jointSlack({ timescale, fragmentNumbers, sampleTicks }: TrackFacts): number {
  const usual = Math.max(JOINT_SECONDS, 2 / timescale);
  return fragmentNumbers ? usual : Math.max(usual, sampleTicks.greatest / timescale / 2);
}

/** Fragments count up through a track, or, as some packagers have it, begin anew in every segment. */
function checkNumbers(findings: Findings, { facts, segments, kind }: ReadRendition): void {
  const numbered = segments.flatMap(({ index, url }) => {
    const numbers = facts[index] && mainTrack(facts[index], kind)?.fragmentNumbers;
    return numbers ? [{ url, ...numbers }] : [];
  });
  const isAnew = numbered.every(({ first }) => first === numbered[0]!.first);
  for (const [position, { url, first }] of numbered.entries()) {
    const before = numbered[position - 1];
    if (!before) continue;
    const problem = `Its fragments are numbered from ${first}, those before it up to ${before.last}.`;
    findings.see('fragment-order', url, first > before.last || isAnew ? undefined : problem);
  }
}

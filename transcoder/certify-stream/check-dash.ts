// An MPD against its segments, and against the playlists of the same presentation.

import { measured } from './check-variants.ts';
import { judgeChannels, judgeCodecs, judgeRate, judgeSize } from './claims.ts';
import type { Findings, Verdict } from './findings.ts';
import type { HlsRendition } from './load-hls.ts';
import { neededBps } from './measure.ts';
import type { Mpd, Representation } from './mpd.ts';
import { endSeconds, type ReadRendition, type Rendition, type Segment } from './presentation.ts';
import { trackOf } from './timing.ts';

const DURATION_SECONDS = 0.1;
const BANDWIDTH_SLACK = 1.02;
/** Templates with a duration alone may be off by half a segment (ISO/IEC 23009-1 §5.3.9.5.3). */
const NOMINAL_SHARE = 0.5;

export type ReadRepresentation = Representation & { read: ReadRendition };

export function checkMpd(findings: Findings, mpd: Mpd): void {
  findings.seeAll('mpd-syntax', mpd.url, mpd.problems);
  if (!mpd.isStatic) {
    findings.skip('the end of the stream', 'the MPD is dynamic');
    return;
  }
  const timed = mpd.representations.filter(
    ({ kind, rendition }) => (kind === 'video' || kind === 'audio') && rendition.segments.length > 0,
  );
  for (const { rendition } of timed) checkTimeline(findings, rendition.segments, mpd.url, rendition.name);
  const isSinglePeriod = mpd.representations.every(({ period }) => period === 0);
  if (mpd.durationSeconds === undefined || timed.length === 0) return;
  if (!isSinglePeriod) {
    findings.skip('mediaPresentationDuration', 'there are several periods');
    return;
  }
  const end = Math.max(...timed.map(({ rendition }) => endSeconds(rendition)));
  const isRight = Math.abs(end - mpd.durationSeconds) <= DURATION_SECONDS;
  findings.see(
    'mpd-duration',
    mpd.url,
    isRight
      ? undefined
      : `mediaPresentationDuration is ${mpd.durationSeconds} s, the segments end at ${end.toFixed(3)} s.`,
  );
}

function checkTimeline(findings: Findings, segments: readonly Segment[], url: string, name: string): void {
  const broken = segments.find(({ placed }, index) => {
    const before = segments[index - 1]?.placed;
    return (
      placed?.isExact && before && Math.abs(placed.startTicks - before.startTicks - before.durationTicks) > 1
    );
  });
  const problem = broken && `In ${name} segment ${broken.index} does not start where the one before it ends.`;
  findings.see('mpd-timeline', url, problem);
}

export function checkRepresentation(findings: Findings, mpd: Mpd, representation: ReadRepresentation): void {
  const { id, attributes, read } = representation;
  const say = (check: string, problem: string | undefined) =>
    findings.see(check, mpd.url, problem && `${id}: ${problem}`);
  checkPlaces(findings, read);
  const needed = neededBps(measured(read), mpd.minBufferSeconds);
  const bandwidth = Number(attributes.bandwidth);
  if (needed === 0) findings.skip(`the bandwidth of ${id}`, 'its segments were not read');
  else {
    const problem = `bandwidth is ${bandwidth}, ${Math.ceil(needed)} bit/s are needed.`;
    say('mpd-bandwidth', needed <= bandwidth * BANDWIDTH_SLACK ? undefined : problem);
  }
  checkClaims(findings, mpd, representation);
}

/** On the track's own clock, or as its edit list has it shown: MPDs are written by either, not by both at once. */
function checkPlaces(findings: Findings, read: ReadRendition): void {
  const longest = Math.max(...read.segments.map(({ seconds }) => seconds));
  const byClock = read.segments.map((segment) => placeProblem(read, segment, longest, false));
  const byEdit = read.segments.map((segment) => placeProblem(read, segment, longest, true));
  const problems = byEdit.every((problem) => problem === undefined) ? byEdit : byClock;
  for (const { index, url, placed } of read.segments) {
    if (placed && trackOf(read, index)) findings.see('mpd-timeline-equals-bytes', url, problems[index]);
  }
}

function placeProblem(
  read: ReadRendition,
  { index, placed }: Segment,
  longest: number,
  isEdited: boolean,
): string | undefined {
  const track = trackOf(read, index);
  if (!placed || !track) return undefined;
  const edit = read.tracks.find(({ id }) => id === track.trackId)?.edit;
  const hiddenTicks = isEdited && typeof edit === 'object' ? edit.hiddenTicks : 0;
  const at = (ticks: number) => Math.max(0, ticks - hiddenTicks) / track.timescale;
  const real = { start: at(track.startTicks), end: at(track.startTicks + track.durationTicks) };
  const start = placed.startTicks / placed.timescale;
  const said = { start, end: start + placed.durationTicks / placed.timescale };
  const slack = placed.isExact ? 0.001 + 1 / placed.timescale : longest * NOMINAL_SHARE;
  if (Math.abs(said.start - real.start) <= slack && Math.abs(said.end - real.end) <= slack) return undefined;
  const text = (span: typeof real) => `${span.start.toFixed(4)} to ${span.end.toFixed(4)} s`;
  return `The MPD has it from ${text(said)}, the samples go from ${text(real)}.`;
}

function checkClaims(
  findings: Findings,
  mpd: Mpd,
  { id, attributes, channels, kind, read }: ReadRepresentation,
): void {
  const judge = (check: string, what: string, { isKnown, problem }: Verdict) =>
    findings.judge(check, mpd.url, `the ${what} of ${id}`, {
      isKnown,
      problem: problem && `${id}: ${problem}`,
    });
  const tracks = read.tracks.filter((track) => track.kind === kind);
  const isOther = tracks.length === 0 && read.tracks.length > 0;
  const none = { isKnown: true, problem: `It is said to be ${kind}, its init segment has none.` };
  judge('mpd-codecs', 'codecs', isOther ? none : judgeCodecs(attributes.codecs, tracks));
  const { width, height, frameRate } = attributes;
  if (kind === 'video' && width && height) {
    judge('mpd-picture', 'size', judgeSize({ width: Number(width), height: Number(height) }, tracks[0]));
  }
  if (kind === 'video' && frameRate) {
    const [num, den = 1] = frameRate.split('/').map(Number);
    judge('mpd-frame-rate', 'frame rate', judgeRate(num! / den, read));
  }
  // Other schemes than the number of channels count in their own way.
  if (kind === 'audio' && channels && /^\d+$/.test(channels)) {
    judge('mpd-channels', 'channels', judgeChannels(channels, tracks));
  }
}

/** The same segments, in the same order and of the same length, in both. */
export function checkSameAsHls(findings: Findings, mpd: Mpd, playlists: readonly HlsRendition[]): void {
  const media = playlists.filter(({ role }) => role === 'variant' || role === 'audio');
  const byUrl = new Map(media.map((one) => [one.rendition.segments[0]?.url, one.rendition]));
  const representations = mpd.representations.filter(({ kind }) => kind === 'video' || kind === 'audio');
  const represented: Rendition[] = [];
  for (const { id, rendition } of representations) {
    const same = byUrl.get(rendition.segments[0]?.url);
    const say = (problem: string | undefined) =>
      findings.see('mpd-equals-hls', mpd.url, problem && `${id}: ${problem}`);
    if (!same) {
      say('no playlist begins with the same segment.');
      continue;
    }
    byUrl.delete(rendition.segments[0]?.url);
    represented.push(same);
    const other = rendition.segments.findIndex((segment, index) => {
      const listed = same.segments[index];
      return (
        listed?.url !== segment.url ||
        Math.abs(listed.seconds - segment.seconds) > listed.toleranceSeconds + segment.toleranceSeconds
      );
    });
    const counts = [rendition.segments.length, same.segments.length];
    if (counts[0] !== counts[1]) say(`the MPD has ${counts[0]} segments, the playlist ${counts[1]}.`);
    else
      say(
        other >= 0
          ? `segment ${other} is another one, or of another length, than in the playlist.`
          : undefined,
      );
  }
  const missing = [...byUrl.values()].filter(
    (rendition) => !represented.some((one) => isOnOtherHost(rendition, one)),
  );
  for (const { name } of missing)
    findings.see('mpd-complete', mpd.url, `There is no Representation of ${name}.`);
  if (missing.length === 0) findings.see('mpd-complete', mpd.url, undefined);
}

/** Whether `one` is `other` on a second host: a redundant variant (RFC 8216 §4.3.4.2), for which an MPD has a BaseURL. */
function isOnOtherHost(one: Rendition, other: Rendition): boolean {
  const fileOf = ({ url }: Rendition) => new URL(url).pathname.split('/').at(-1);
  return (
    new URL(one.url).host !== new URL(other.url).host &&
    fileOf(one) === fileOf(other) &&
    one.segments.length === other.segments.length
  );
}

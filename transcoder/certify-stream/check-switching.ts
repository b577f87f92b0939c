// What must be equal in renditions that a player changes between, and what must begin and end together.
import type { Findings } from './findings.ts';
import { endSeconds, mainTrack, type ReadRendition } from './presentation.ts';
import type { TrackFacts } from './segment-facts.ts';
import { secondsApart, shownSeconds, trackOf } from './timing.ts';

const SAME_TIME_SECONDS = 0.001;
const SAME_STEP = 0.05;
/** Within one file. */
const END_TOGETHER_SECONDS = 0.5;
const START_TOGETHER_SECONDS = 0.1;

/** @param areKeysStrict Key frames within segments are compared too, not only those at their start. */
export function checkSwitching(
  findings: Findings,
  video: readonly ReadRendition[],
  areKeysStrict: boolean,
): void {
  const [first, ...others] = video;
  for (const other of others) {
    for (const { index, url } of other.segments) {
      const mine = trackOf(first!, index);
      const theirs = trackOf(other, index);
      if (!mine || !theirs) continue;
      const pair: Pair = { first: first!, mine, other, theirs };
      findings.see('segments-aligned', url, startProblem(pair));
      const isSameRate = Math.abs(stepOf(mine) / stepOf(theirs) - 1) < SAME_STEP;
      if (isSameRate) {
        const problem = `It has ${theirs.samples} frames, that of ${first!.name} has ${mine.samples}.`;
        findings.see('frames-equal', url, theirs.samples === mine.samples ? undefined : problem);
      }
      findings.see('keys-aligned', url, keyProblem(pair, areKeysStrict && isSameRate));
    }
  }
}

type Pair = { first: ReadRendition; mine: TrackFacts; other: ReadRendition; theirs: TrackFacts };

function startProblem({ first, mine, other, theirs }: Pair): string | undefined {
  const ours = shownSeconds(first, mine, mine.firstShownTicks);
  const their = shownSeconds(other, theirs, theirs.firstShownTicks);
  if (secondsApart(ours, their, mine) <= SAME_TIME_SECONDS) return undefined;
  return `It starts at ${their.toFixed(4)} s, that of ${first.name} at ${ours.toFixed(4)} s.`;
}

function keyProblem({ first, mine, other, theirs }: Pair, areAllCompared: boolean): string | undefined {
  const count = areAllCompared ? undefined : 1;
  const ours = mine.keyTicks.slice(0, count).map((ticks) => shownSeconds(first, mine, ticks));
  const their = theirs.keyTicks.slice(0, count).map((ticks) => shownSeconds(other, theirs, ticks));
  const isEqual =
    ours.length === their.length &&
    ours.every((key, index) => secondsApart(key, their[index]!, mine) <= SAME_TIME_SECONDS);
  if (isEqual) return undefined;
  const text = (keys: number[]) => keys.map((key) => key.toFixed(3)).join(' ') || 'no time';
  return `It has key frames at ${text(their)} s, that of ${first.name} at ${text(ours)} s.`;
}

function stepOf({ sampleTicks, timescale }: TrackFacts): number {
  return sampleTicks.least / timescale;
}

/** @param all Renditions that are played together or in place of each other. */
export function checkTogether(findings: Findings, all: readonly ReadRendition[]): void {
  const lead = all.find(({ kind }) => kind === 'video') ?? all[0];
  for (const other of all) {
    // Sound may be within the video's own segments.
    checkMultiplexed(findings, other);
    if (!lead || other === lead) continue;
    const names = { one: other.name, two: lead.name };
    const [mine, theirs] = [endSeconds(lead), endSeconds(other)];
    findings.see('tracks-end-together', other.url, apart('ends', names, theirs, mine, longestSeconds(lead)));
    const [first, second] = [trackOf(lead, 0), trackOf(other, 0)];
    if (!first || !second || !first.fragmentNumbers !== !second.fragmentNumbers) continue;
    const ours = shownSeconds(lead, first, first.firstShownTicks);
    const its = shownSeconds(other, second, second.firstShownTicks);
    const problem = apart('starts', names, its, ours, START_TOGETHER_SECONDS);
    findings.see('tracks-start-together', other.url, problem);
  }
}

/** What is in one rendition and not in another is at most a target duration long (RFC 8216 §6.2.4). */
function longestSeconds({ segments }: ReadRendition): number {
  return Math.max(...segments.map(({ seconds }) => seconds));
}

function checkMultiplexed(findings: Findings, { facts, segments, kind }: ReadRendition): void {
  const last = facts.at(-1);
  const main = last && mainTrack(last, kind);
  for (const track of last?.tracks ?? []) {
    if (!main || track === main) continue;
    const names = { one: `Track ${track.trackId}`, two: `track ${main.trackId}` };
    const [mine, theirs] = [endOf(main), endOf(track)];
    const problem = apart('ends', names, theirs, mine, END_TOGETHER_SECONDS);
    findings.see('tracks-end-together', segments.at(-1)!.url, problem);
  }
}

function endOf({ startTicks, durationTicks, timescale }: TrackFacts): number {
  return (startTicks + durationTicks) / timescale;
}

type Names = { one: string; two: string };

function apart(verb: string, { one, two }: Names, its: number, ours: number, allowed: number) {
  if (Math.abs(its - ours) <= allowed) return undefined;
  return `${one} ${verb} at ${its.toFixed(3)} s, ${two} at ${ours.toFixed(3)} s.`;
}

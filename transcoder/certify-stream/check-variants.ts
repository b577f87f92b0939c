// The claims of a master playlist about its variants and sound renditions.
import { channelsProblem, codecsProblem, rateProblem, sizeProblem } from './claims.ts';
import type { Findings } from './findings.ts';
import type { HlsPresentation, HlsRendition, HlsVariant } from './load-hls.ts';
import { averageBps, type MeasuredSegment, peakBps } from './measure.ts';
import type { ReadRendition } from './presentation.ts';

/** Rates are rounded, and segments differ from their EXTINF by a digit. */
const PEAK_SLACK = 1.001;
/** What Apple's validator allows. */
const AVERAGE_TOLERANCE = 0.1;

type ReadOf = (rendition: HlsRendition) => ReadRendition;

export function checkVariants(findings: Findings, presentation: HlsPresentation, readOf: ReadOf): void {
  const { url, master, variants, all } = presentation;
  if (!master) {
    findings.skip('CODECS, RESOLUTION, FRAME-RATE and bandwidths', 'there is no master playlist');
    return;
  }
  checkDoubles(findings, url, variants);
  for (const variant of variants) checkVariant(findings, variant, readOf);
  for (const one of all.filter(({ role }) => role === 'audio')) {
    const { tracks } = readOf(one);
    const { CHANNELS, NAME } = one.attributes;
    if (CHANNELS === undefined) {
      findings.see(
        'channels',
        url,
        (tracks[0]?.channels ?? 0) > 2 ? `${NAME} has more than two channels and no CHANNELS.` : undefined,
      );
    } else findings.see('channels', url, prefixed(NAME, channelsProblem(CHANNELS, tracks)));
  }
}

function checkDoubles(findings: Findings, url: string, variants: readonly HlsVariant[]): void {
  const identities = variants.map(
    ({ main, attributes }) => `${main.rendition.url} ${attributes.AUDIO ?? ''} ${attributes.SUBTITLES ?? ''}`,
  );
  const double = variants.find((_, index) => identities.indexOf(identities[index]!) !== index);
  findings.see('variants-unique', url, double && `${double.main.rendition.name} is listed twice.`);
}

function checkVariant(findings: Findings, { attributes, main, audio }: HlsVariant, readOf: ReadOf): void {
  const { url, name } = main.rendition;
  const read = readOf(main);
  const sound = audio.filter((one) => one !== main).map(readOf);
  const tracks = [...read.tracks, ...sound.flatMap((one) => one.tracks)].filter(
    ({ kind }) => kind === 'video' || kind === 'audio',
  );
  const picture = read.tracks.find(({ kind }) => kind === 'video');
  const say = (check: string, problem: string | undefined) => findings.see(check, url, problem);
  if (tracks.length > 0) say('codecs', codecsProblem(attributes.CODECS, tracks));
  if (picture) {
    const [, width, height] = /^(\d+)x(\d+)$/.exec(attributes.RESOLUTION ?? '') ?? [];
    if (attributes.RESOLUTION === undefined) findings.skip(`the size of ${name}`, 'there is no RESOLUTION');
    else if (!width) say('resolution', `RESOLUTION is ${attributes.RESOLUTION}.`);
    else say('resolution', sizeProblem({ width: Number(width), height: Number(height) }, picture));
    if (attributes['FRAME-RATE'] === undefined)
      findings.skip(`the frame rate of ${name}`, 'there is no FRAME-RATE');
    else say('frame-rate', rateProblem(Number(attributes['FRAME-RATE']), read));
  }
  const target = main.playlist.targetSeconds;
  const peak =
    peakBps(measured(read), target) + Math.max(0, ...sound.map((one) => peakBps(measured(one), target)));
  const bandwidth = Number(attributes.BANDWIDTH);
  say(
    'bandwidth',
    peak <= bandwidth * PEAK_SLACK
      ? undefined
      : `BANDWIDTH is ${bandwidth}, the peak is ${Math.ceil(peak)} bit/s.`,
  );
  if (attributes['AVERAGE-BANDWIDTH'] === undefined) return;
  const averages = [read, ...sound].map((one) => averageBps(measured(one)));
  if (averages.some((average) => average === undefined)) {
    findings.skip(`AVERAGE-BANDWIDTH of ${name}`, 'it takes every segment to know it');
    return;
  }
  const average = averages[0]! + Math.max(0, ...(averages.slice(1) as number[]));
  const declared = Number(attributes['AVERAGE-BANDWIDTH']);
  const isNear = Math.abs(declared / average - 1) <= AVERAGE_TOLERANCE;
  say(
    'average-bandwidth',
    isNear ? undefined : `AVERAGE-BANDWIDTH is ${declared}, the average is ${Math.ceil(average)} bit/s.`,
  );
}

export function measured({ segments, facts }: ReadRendition): (MeasuredSegment | undefined)[] {
  return segments.map(({ index, seconds }) => {
    const sizeBytes = facts[index]?.sizeBytes;
    return sizeBytes === undefined || !(seconds > 0) ? undefined : { sizeBytes, seconds };
  });
}

function prefixed(name: string | undefined, problem: string | undefined): string | undefined {
  return problem && `${name ?? 'It'}: ${problem}`;
}

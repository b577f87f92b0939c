// The claims of a master playlist about its variants and sound renditions.
import { judgeChannels, judgeCodecs, judgeRate, judgeSize } from './claims.ts';
import type { Findings, Verdict } from './findings.ts';
import type { TrackInfo } from './init-tracks.ts';
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
    const { CHANNELS: channels, NAME: label = 'a rendition' } = one.attributes;
    if (channels !== undefined) {
      findings.judge(
        'channels',
        one.rendition.url,
        `the channels of ${label}`,
        judgeChannels(channels, tracks),
      );
    } else if ((tracks[0]?.channels ?? 0) > 2) {
      findings.see('channels', one.rendition.url, `${label} has more than two channels and no CHANNELS.`);
    }
  }
  for (const one of all.filter(({ role }) => role === 'iframes'))
    checkIFrameVariant(findings, one, variants, readOf);
}

/** An I-frame list is of the same bytes as some variant. */
function checkIFrameVariant(
  findings: Findings,
  { rendition, attributes }: HlsRendition,
  variants: readonly HlsVariant[],
  readOf: ReadOf,
): void {
  const { url, name, segments } = rendition;
  const source = variants.find(({ main }) =>
    main.rendition.segments.some((segment) => segment.url === segments[0]?.url),
  );
  const track = source && readOf(source.main).tracks.find(({ kind }) => kind === 'video');
  if (!track) {
    findings.skip(`what is said of ${name}`, 'its pictures are those of no variant');
    return;
  }
  const { CODECS: codecs, RESOLUTION: size } = attributes;
  if (codecs !== undefined)
    findings.judge('codecs', url, `the codecs of ${name}`, judgeCodecs(codecs, [track]));
  if (size !== undefined)
    findings.judge('resolution', url, `the size of ${name}`, judgeResolution(size, track));
}

function judgeResolution(resolution: string, track: TrackInfo): Verdict {
  const [, width, height] = /^(\d+)x(\d+)$/.exec(resolution) ?? [];
  if (!width) return { isKnown: true, problem: `RESOLUTION is ${resolution}.` };
  return judgeSize({ width: Number(width), height: Number(height) }, track);
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
  const tracks = [read, ...sound].flatMap((one) => one.tracks).filter(({ kind }) => kind !== 'text');
  const picture = read.tracks.find(({ kind }) => kind === 'video');
  const say = (check: string, problem: string | undefined) => findings.see(check, url, problem);
  findings.judge('codecs', url, `the codecs of ${name}`, judgeCodecs(attributes.CODECS, tracks));
  if (picture) {
    const { RESOLUTION: size, 'FRAME-RATE': rate } = attributes;
    if (size === undefined) findings.skip(`the size of ${name}`, 'there is no RESOLUTION');
    else findings.judge('resolution', url, `the size of ${name}`, judgeResolution(size, picture));
    if (rate === undefined) findings.skip(`the frame rate of ${name}`, 'there is no FRAME-RATE');
    else findings.judge('frame-rate', url, `the frame rate of ${name}`, judgeRate(Number(rate), read));
  }
  const target = main.playlist.targetSeconds;
  const peaks = [read, ...sound].map((one) => peakBps(measured(one), target));
  const peak = peaks[0]! + Math.max(0, ...peaks.slice(1));
  const bandwidth = Number(attributes.BANDWIDTH);
  if (peaks.includes(0)) findings.skip(`the bandwidth of ${name}`, 'its segments were not read');
  else
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

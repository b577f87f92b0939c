// I-frame playlists: every byte range must be one key frame and nothing else, and their times those of the video.
import { type Box, boxesIn, childrenOf, requireBox } from '../isobmff/boxes.ts';
import { readBaseTicks, readRun, readTrackHeader } from '../isobmff/fragment.ts';
import type { Findings } from './findings.ts';
import type { TrackInfo } from './init-tracks.ts';
import type { HlsRendition } from './load-hls.ts';
import { peakBps } from './measure.ts';
import { isKeyPicture } from './picture-units.ts';
import { endSeconds, type Rendition, type Segment, sampleOf } from './presentation.ts';
import type { ResourceLibrary } from './resource-library.ts';
import { looksLikeTs } from './ts-packets.ts';
import { readTsSegment } from './ts-segment.ts';

const SAME_END_SECONDS = 0.5;
const SAME_TIME_SECONDS = 0.02;
const PEAK_SLACK = 1.001;

export async function checkIFrames(
  findings: Findings,
  { rendition, playlist, attributes }: HlsRendition,
  videoSeconds: number | undefined,
  library: ResourceLibrary,
  isDeep: boolean,
): Promise<void> {
  const { url, segments } = rendition;
  findings.see('iframes-only', url, playlist.isIFramesOnly ? undefined : 'There is no EXT-X-I-FRAMES-ONLY.');
  if (videoSeconds !== undefined) {
    const end = endSeconds(rendition);
    const problem = `The key frames last ${end.toFixed(3)} s, the video ${videoSeconds.toFixed(3)} s.`;
    findings.see('iframe-times', url, Math.abs(end - videoSeconds) <= SAME_END_SECONDS ? undefined : problem);
  }
  if (attributes.BANDWIDTH !== undefined)
    checkBandwidth(findings, rendition, playlist.targetSeconds, attributes.BANDWIDTH);
  const chosen = isDeep ? segments : sampleOf(rendition, 0).map((index) => segments[index]!);
  if (chosen.length < segments.length)
    findings.skip(
      `${segments.length - chosen.length} of ${segments.length} key frames of ${rendition.name}`,
      'not read',
    );
  const times = await Promise.all(chosen.map((segment) => checkFrame(findings, segment, library)));
  const first = times[0];
  for (const [position, time] of times.entries()) {
    const segment = chosen[position]!;
    if (time === undefined || first === undefined) continue;
    const offBy = time - first - segment.startSeconds;
    const slack = SAME_TIME_SECONDS + segment.index * segment.toleranceSeconds;
    const problem = `The key frame is shown ${(time - first).toFixed(3)} s after the first, the playlist says ${segment.startSeconds.toFixed(3)} s.`;
    findings.see('iframe-times', segment.url, Math.abs(offBy) <= slack ? undefined : problem);
  }
}

function checkBandwidth(
  findings: Findings,
  { url, segments }: Rendition,
  targetSeconds: number,
  declared: string,
): void {
  const frames = segments.map(({ range, seconds }) => range && { sizeBytes: range.sizeBytes, seconds });
  const peak = peakBps(frames, targetSeconds);
  const isCovered = peak <= Number(declared) * PEAK_SLACK;
  const problem = `BANDWIDTH is ${declared}, the peak of the key frames is ${Math.ceil(peak)} bit/s.`;
  findings.see('iframe-bandwidth', url, isCovered ? undefined : problem);
}

/** @returns when the frame is shown, in seconds of its track */
async function checkFrame(
  findings: Findings,
  segment: Segment,
  library: ResourceLibrary,
): Promise<number | undefined> {
  if (segment.key) {
    findings.skip('I-frame playlists', 'their key frames are encrypted');
    return undefined;
  }
  const [answer, init] = await Promise.all([
    library.bytes(segment, 'media'),
    segment.init ? library.init(segment.init) : undefined,
  ]);
  if (!answer || (segment.init && !init)) return undefined;
  const see = (problem: string | undefined) => findings.see('iframe-ranges', segment.url, problem);
  try {
    if (!segment.init && looksLikeTs(answer.bytes)) return tsFrame(answer.bytes, see);
    const track = init?.tracks.find(({ kind }) => kind === 'video');
    const frame = track && readFrame(answer.bytes, track);
    see(frame ? frame.problem : 'The range has no video track.');
    return frame && frame.shownTicks / track.timescale;
  } catch (error) {
    see(`The range is not a whole key frame: ${error instanceof Error ? error.message : 'unreadable'}`);
    return undefined;
  }
}

function tsFrame(bytes: Uint8Array, see: (problem: string | undefined) => void): number | undefined {
  const video = readTsSegment(bytes).tracks.find(({ kind }) => kind === 'video');
  const isOne = video?.samples === 1 && video.startsWithKey;
  see(
    isOne
      ? undefined
      : `The range holds ${video?.samples ?? 0} pictures, of which ${video?.keyTicks.length ?? 0} are key frames.`,
  );
  return video && video.firstShownTicks / video.timescale;
}

/** The range ends within the media data of its fragment, so the box that holds it runs past its end. */
function readFrame(bytes: Uint8Array, track: TrackInfo): { shownTicks: number; problem: string | undefined } {
  const moof = firstMoof(bytes);
  const traf = childrenOf(bytes, moof).find(
    (box) => box.type === 'traf' && readTrackHeader(bytes, box).trackId === track.id,
  );
  if (!traf) return { shownTicks: 0, problem: 'The range has no fragment of the video track.' };
  const header = readTrackHeader(bytes, traf);
  const run = readRun(bytes, requireBox(bytes, 'trun', traf), {
    durationTicks: header.defaults.durationTicks ?? track.defaults.durationTicks,
    sizeBytes: header.defaults.sizeBytes ?? track.defaults.sizeBytes,
    flags: header.defaults.flags ?? track.defaults.flags,
  });
  const [sample] = run.samples;
  const at = moof.start + (run.dataOffset ?? 0);
  const end = at + (sample?.sizeBytes ?? 0);
  const shownTicks = readBaseTicks(bytes, traf) + (sample?.compositionTicks ?? 0);
  if (!sample?.isSync) return { shownTicks, problem: 'The range points at a picture that is no key frame.' };
  if (end !== bytes.length) {
    return {
      shownTicks,
      problem: `The key frame ends at byte ${end} of the range, which has ${bytes.length}.`,
    };
  }
  const isKey = !track.form || track.isEncrypted || isKeyPicture(bytes.subarray(at, end), track.form);
  return { shownTicks, problem: isKey ? undefined : 'The range points at a picture that is no key frame.' };
}

function firstMoof(bytes: Uint8Array): Box {
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('moof', 0, 'latin1') - 4;
  if (at < 0) throw new Error('there is no fragment.');
  const sizeBytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUInt32BE(at);
  const before = boxesIn(bytes, 0, at);
  const isLed = before.every(({ type }) => ['styp', 'sidx', 'prft', 'emsg'].includes(type));
  const [moof] = boxesIn(bytes, at, at + sizeBytes);
  if (!isLed || !moof) throw new Error('it does not begin with a fragment.');
  return moof;
}

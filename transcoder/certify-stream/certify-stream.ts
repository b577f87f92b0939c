// A certificate of any HLS or DASH stream, from outside: what its manifests say against the bytes behind them.
import { AppError } from '../../shared/errors.ts';
import { DASH_MANIFEST, MASTER_PLAYLIST } from '../../shared/object-keys.ts';
import { checkMpd, checkRepresentation, checkSameAsHls, type ReadRepresentation } from './check-dash.ts';
import { checkGroups } from './check-groups.ts';
import { checkIFrames } from './check-iframes.ts';
import { checkImages } from './check-images.ts';
import { checkMedia } from './check-media.ts';
import { checkPlaylists } from './check-playlists.ts';
import { checkSwitching, checkTogether } from './check-switching.ts';
import { checkText } from './check-text.ts';
import { checkTransfer } from './check-transfer.ts';
import { checkVariants } from './check-variants.ts';
import { type CheckResult, Findings, type NotChecked, redacted } from './findings.ts';
import { readPlaylist } from './hls-playlist.ts';
import { type HlsPresentation, type HlsRendition, loadHls, resolveUrl } from './load-hls.ts';
import { type Mpd, readMpd } from './mpd.ts';
import { endSeconds } from './presentation.ts';
import { isOwn, readRenditions } from './read-renditions.ts';
import { ResourceLibrary } from './resource-library.ts';
import { readSidx } from './sidx.ts';
import { createStreamReader, type StreamReader, Unreadable } from './stream-reader.ts';

export type StreamCertificate = {
  version: 1;
  /** Without tokens. */
  url: string;
  format: 'hls' | 'dash';
  isDeep: boolean;
  passed: boolean;
  seconds: number;
  bytesRead: number;
  checks: CheckResult[];
  notChecked: NotChecked[];
};

export type CertifyOptions = {
  /** Everything is read, not a sample. */
  isDeep: boolean;
  /** The MPD of the presentation whose playlists are certified. */
  dashUrl?: string | undefined;
  signal: AbortSignal;
};

/** There is nothing at the URL that could be certified. */
export class NotAStream extends Error {}

type Stage = { findings: Findings; library: ResourceLibrary; isDeep: boolean };

/** @throws NotAStream */
export async function certifyStream(url: string, options: CertifyOptions): Promise<StreamCertificate> {
  const { isDeep, signal } = options;
  const findings = new Findings();
  const reader = createStreamReader(url, signal);
  const stage: Stage = { findings, isDeep, library: new ResourceLibrary(reader, findings) };
  const root = await readRoot(url, reader);
  const playlist = readPlaylist(root.text);
  const mpd = playlist ? undefined : readMpd(root.text, root.answer.url);
  if (!playlist && !mpd) throw new NotAStream('This is neither an HLS playlist nor an MPD.');
  checkTransfer(findings, { url }, root.answer, playlist ? 'playlist' : 'mpd');
  let seconds = 0;
  if (playlist) {
    const hls = await loadHls(root.answer.url, playlist, stage.library, findings);
    seconds = await certifyHls(stage, hls);
    const other = await findMpd(stage, hls, options.dashUrl, reader);
    if (other) {
      await certifyMpd(stage, other);
      checkSameAsHls(findings, other, hls.all);
    }
  } else if (mpd) seconds = await certifyMpd(stage, mpd);
  return {
    ...{ version: 1, url: redacted(url), format: playlist ? 'hls' : 'dash', isDeep },
    ...{ passed: findings.isFlawless, seconds, bytesRead: reader.bytesRead },
    ...{ checks: findings.results, notChecked: findings.notChecked },
  };
}

async function readRoot(url: string, reader: StreamReader) {
  try {
    const answer = await reader.read({ url });
    return { answer, text: Buffer.from(answer.bytes).toString('utf8') };
  } catch (error) {
    if (error instanceof Unreadable) throw new NotAStream(error.message);
    throw error;
  }
}

/** @returns how long the presentation lasts */
async function certifyHls({ findings, library, isDeep }: Stage, hls: HlsPresentation): Promise<number> {
  checkPlaylists(findings, hls);
  if (hls.master) checkGroups(findings, hls.url, hls.master);
  const media = hls.all.filter(({ role }) => role === 'variant' || role === 'audio');
  const read = await readRenditions(
    media.map(({ rendition }) => rendition),
    library,
    findings,
    isDeep,
  );
  const readOf = (one: HlsRendition) => read[media.indexOf(one)]!;
  for (const one of read) checkMedia(findings, one);
  const video = media
    .filter(({ role, rendition }) => role === 'variant' && rendition.kind === 'video')
    .map(readOf);
  checkSwitching(findings, video, isOwn(video));
  checkTogether(findings, read);
  checkVariants(findings, hls, readOf);
  const lead = video[0] ?? read[0];
  const seconds = lead && endSeconds(lead);
  for (const one of hls.all) {
    if (one.role === 'subtitles') await checkText(findings, one.rendition, seconds, library);
    if (one.role === 'iframes') await checkIFrames(findings, one, seconds, library, isDeep);
  }
  return seconds ?? 0;
}

async function certifyMpd(stage: Stage, mpd: Mpd): Promise<number> {
  const { findings, library, isDeep } = stage;
  for (const representation of mpd.representations) await readIndex(stage, representation);
  checkMpd(findings, mpd);
  const timed = mpd.representations.filter(({ kind }) => kind === 'video' || kind === 'audio');
  const read = await readRenditions(
    timed.map(({ rendition }) => rendition),
    library,
    findings,
    isDeep,
  );
  const whole: ReadRepresentation[] = timed.map((one, index) => ({ ...one, read: read[index]! }));
  for (const one of whole) {
    checkMedia(findings, one.read);
    checkRepresentation(findings, mpd, one);
  }
  for (const period of Map.groupBy(whole, (one) => one.period).values()) {
    const video = period.filter(({ kind }) => kind === 'video').map((one) => one.read);
    checkSwitching(findings, video, isOwn(video));
    checkTogether(
      findings,
      period.map((one) => one.read),
    );
  }
  for (const one of mpd.representations) {
    if (one.kind === 'image') await checkImages(findings, one, library, isDeep);
    if (one.kind === 'text') await checkText(findings, one.rendition, mpd.durationSeconds, library);
    if (one.kind === 'other') findings.skip(`Representation ${one.id}`, 'of a kind that is not read');
  }
  return mpd.durationSeconds ?? Math.max(0, ...read.map(endSeconds));
}

async function readIndex(
  { findings, library }: Stage,
  { index, rendition }: Mpd['representations'][number],
): Promise<void> {
  if (!index?.range) return;
  const answer = await library.bytes(index, 'media');
  if (!answer) return;
  try {
    rendition.segments = readSidx(
      answer.bytes,
      { ...index, range: index.range },
      rendition.presentationOffsetSeconds ?? 0,
    );
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    findings.see('mpd-syntax', index.url, error.detail);
  }
}

/** The MPD that was named, or the one that our generations have beside their master playlist. */
async function findMpd(
  stage: Stage,
  hls: HlsPresentation,
  named: string | undefined,
  reader: StreamReader,
): Promise<Mpd | undefined> {
  const isOurs =
    hls.url.split(/[?#]/)[0]!.endsWith(`/${MASTER_PLAYLIST}`) &&
    isOwn(hls.all.filter(({ role }) => role === 'variant').map(({ rendition }) => rendition));
  if (named === undefined && !isOurs) return undefined;
  const url = named ?? resolveUrl(DASH_MANIFEST, hls.url);
  try {
    const answer = await reader.read({ url });
    checkTransfer(stage.findings, { url }, answer, 'mpd');
    const mpd = readMpd(Buffer.from(answer.bytes).toString('utf8'), answer.url);
    if (!mpd) stage.findings.see('mpd-syntax', url, 'This is no MPD.');
    return mpd;
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    // A protected presentation has one manifest and not the other.
    if (named === undefined)
      stage.findings.skip('DASH', `there is no ${DASH_MANIFEST} beside the master playlist`);
    else stage.findings.see('reachable', url, error.message);
    return undefined;
  }
}

// The text of media playlists: grammar, versions, durations, and what must hold between playlists.
import type { Findings } from './findings.ts';
import type { MasterPlaylist, MediaPlaylist } from './hls-playlist.ts';
import type { HlsPresentation, HlsRendition } from './load-hls.ts';
import { endSeconds } from './presentation.ts';

/** Two playlists of one title may differ by the rounding of every EXTINF. */
const SAME_BOUNDARY_SECONDS = 0.02;
const NEWEST_VERSION = 12;

export function checkPlaylists(findings: Findings, { url, master, all }: HlsPresentation): void {
  if (master) checkText(findings, url, master);
  for (const { playlist, rendition, role } of all) {
    checkText(findings, rendition.url, playlist);
    checkEnd(findings, rendition.url, playlist, all);
    const target = playlist.targetSeconds;
    const long = playlist.segments.find(({ seconds }) => Math.round(seconds) > target);
    findings.see(
      'target-duration',
      rendition.url,
      long && `A segment of ${long.seconds} s is above the target duration of ${target} s.`,
    );
    checkUnique(findings, { playlist, rendition });
    const gap = playlist.segments.findIndex(({ isGap }) => isGap);
    findings.see('gaps', rendition.url, gap >= 0 ? `Segment ${gap} is marked as missing.` : undefined);
    if (role !== 'subtitles') checkMap(findings, rendition.url, playlist);
  }
  checkBoundaries(
    findings,
    all.filter(({ role, rendition }) => role === 'variant' && rendition.kind === 'video'),
  );
}

function checkText(findings: Findings, url: string, playlist: MasterPlaylist | MediaPlaylist): void {
  findings.seeAll('playlist-syntax', url, playlist.problems);
  const { version, neededVersion } = playlist;
  const isKnown = version <= NEWEST_VERSION;
  const problem = isKnown
    ? `It says version ${version} and uses what came with version ${neededVersion}.`
    : `There is no version ${version}.`;
  findings.see('playlist-version', url, isKnown && version >= neededVersion ? undefined : problem);
  for (const tag of playlist.unread) findings.skip(tag, 'its meaning is not looked at');
}

/** A list without an end is live; then all of them are, and none may call itself finished. */
function checkEnd(
  findings: Findings,
  url: string,
  playlist: MediaPlaylist,
  all: readonly HlsRendition[],
): void {
  const isFinished = playlist.type === 'VOD' || all.some((other) => other.playlist.hasEnd);
  if (playlist.hasEnd || isFinished) {
    findings.see(
      'playlist-closed',
      url,
      playlist.hasEnd ? undefined : 'The finished playlist has no EXT-X-ENDLIST.',
    );
  } else findings.skip('the end of the stream', 'the playlists still grow');
}

function checkUnique(
  findings: Findings,
  { playlist, rendition }: Pick<HlsRendition, 'playlist' | 'rendition'>,
): void {
  const seen = new Set<string>();
  const double = playlist.segments.find(({ uri, range }) => {
    const identity = `${uri} ${range?.offset ?? ''}`;
    return seen.has(identity) || !seen.add(identity);
  });
  findings.see(
    'segments-unique',
    rendition.url,
    double && `${double.uri.replace(/[?#].*/, '')} is listed twice.`,
  );
}

function checkMap(findings: Findings, url: string, { segments }: MediaPlaylist): void {
  const isNamed = segments.some(({ map }) => map !== undefined);
  if (!isNamed) return;
  const without = segments.findIndex(({ map }) => map === undefined);
  findings.see(
    'init-named',
    url,
    without >= 0 ? `Segment ${without} stands before any EXT-X-MAP.` : undefined,
  );
}

/** A player that changes variants goes on at the same number in another list. */
function checkBoundaries(findings: Findings, variants: readonly HlsRendition[]): void {
  const [first, ...others] = variants;
  for (const other of others) {
    const [mine, theirs] = [first!.rendition, other.rendition];
    const counts = [mine.segments.length, theirs.segments.length];
    const off = theirs.segments.find((segment, index) => {
      const same = mine.segments[index];
      const digits = segment.toleranceSeconds * (index + 1);
      return same && Math.abs(same.startSeconds - segment.startSeconds) > SAME_BOUNDARY_SECONDS + digits;
    });
    const breaks = [mine, theirs].map(
      ({ segments }) => segments.filter(({ isDiscontinuous }) => isDiscontinuous).length,
    );
    const problem =
      counts[0] !== counts[1]
        ? `It has ${counts[1]} segments, ${mine.name} has ${counts[0]}.`
        : breaks[0] !== breaks[1]
          ? `It has ${breaks[1]} discontinuities, ${mine.name} has ${breaks[0]}.`
          : off &&
            `Segment ${off.index} starts at ${off.startSeconds.toFixed(3)} s, in ${mine.name} at another time.`;
    findings.see('playlists-aligned', theirs.url, problem);
    const ends = [endSeconds(mine), endSeconds(theirs)];
    const isSameEnd = Math.abs(ends[0]! - ends[1]!) <= SAME_BOUNDARY_SECONDS + theirs.segments.length * 0.001;
    findings.see(
      'playlists-equally-long',
      theirs.url,
      isSameEnd ? undefined : `It lasts ${ends[1]} s, ${mine.name} lasts ${ends[0]} s.`,
    );
  }
}

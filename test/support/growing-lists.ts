// Asks for every playlist of a session again and again while they grow, and keeps what would have hurt a player.
import { attributesOf } from './published.ts';

export type WatchedLists = {
  /** What went wrong, in sentences; empty when nothing did. */
  faults: string[];
  /** Different numbers of segments that the first variant has shown. */
  lengthsSeen: number[];
  /** Lists that were seen both growing and finished. */
  replaced: string[];
};

type Seen = { type: string; target: number; segments: string[]; isEnded: boolean; changedAtMs: number };

/** Every list says TYPE, TARGETDURATION and pairs of EXTINF and URI. */
function read(text: string): Omit<Seen, 'changedAtMs'> {
  const lines = text.split('\n');
  return {
    type: /#EXT-X-PLAYLIST-TYPE:(\w+)/.exec(text)?.[1] ?? '',
    target: Number(/#EXT-X-TARGETDURATION:(\d+)/.exec(text)?.[1]),
    segments: lines.flatMap((line, at) => (line.startsWith('#EXTINF:') ? [`${line} ${lines[at + 1]}`] : [])),
    isEnded: text.includes('#EXT-X-ENDLIST'),
  };
}

/** A list may be this old where somebody else has asked for it (VIEW_AGE_MS of worker/playback/growing.ts), and more. */
const LIST_AGE_MS = 1500;

/** Polls until `isOver` says so, then once more. */
export async function watchLists(
  masterUrl: string,
  isOver: () => Promise<boolean>,
  pollMs = 1000,
): Promise<WatchedLists> {
  const faults: string[] = [];
  const lists = await listsOf(masterUrl);
  const seen = new Map<string, Seen>();
  const lengths = new Set<number>();
  const replaced = new Set<string>();
  for (let isLast = false; ; ) {
    for (const url of lists) {
      const name = new URL(url).pathname.split('/').at(-1)!;
      const response = await fetch(url);
      if (!response.ok) {
        faults.push(`${name} answered ${response.status}`);
        continue;
      }
      const now = { ...read(await response.text()), changedAtMs: Date.now() };
      if (url === lists[0]) lengths.add(now.segments.length);
      const before = seen.get(url);
      if (before) faults.push(...faultsBetween(name, before, now));
      if (before?.type === 'EVENT' && now.type === 'VOD') replaced.add(name);
      if (now.type === 'EVENT' && !/no-cache/.test(response.headers.get('cache-control') ?? ''))
        faults.push(`${name} may be kept while it grows`);
      const isSame =
        before !== undefined && before.segments.length === now.segments.length && before.type === now.type;
      seen.set(url, isSame ? { ...now, changedAtMs: before.changedAtMs } : now);
    }
    if (isLast) return { faults, lengthsSeen: [...lengths], replaced: [...replaced] };
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    isLast = await isOver();
    if (isLast) await new Promise((resolve) => setTimeout(resolve, LIST_AGE_MS));
  }
}

function faultsBetween(name: string, before: Seen, now: Seen): string[] {
  const faults: string[] = [];
  const kept = now.segments.slice(0, before.segments.length);
  if (kept.join('\n') !== before.segments.join('\n'))
    faults.push(`${name} says another thing of what it had shown`);
  if (before.target !== now.target) faults.push(`${name} changed its target duration`);
  if (before.isEnded && !now.isEnded) faults.push(`${name} went on after its end`);
  const stoodStillMs = now.changedAtMs - before.changedAtMs;
  const isStill = !before.isEnded && !now.isEnded && now.segments.length === before.segments.length;
  if (isStill && stoodStillMs > 2 * now.target * 1000)
    faults.push(`${name} stood still for ${stoodStillMs} ms`);
  return faults;
}

/** The media playlists of a master: variants, then renditions. */
async function listsOf(masterUrl: string): Promise<string[]> {
  const lines = (await (await fetch(masterUrl)).text()).split('\n');
  const variants = lines.filter((line) => /^[^#].*\.m3u8$/.test(line));
  const sound = lines
    .filter((line) => line.startsWith('#EXT-X-MEDIA'))
    .map((line) => attributesOf(line).URI!);
  return [...variants, ...sound].map((uri) => new URL(uri, masterUrl).href);
}

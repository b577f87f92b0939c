// A second host for the same media (MEDIA_FALLBACK_URL): manifests name every rendition once more there, so that a
// player whose first host fails goes on with the other. Pure.
import type { Config } from '../env.ts';
import { isMpd } from './quality-cap.ts';

/** A manifest as one place shows it; `mark` tells its etag apart from that of the stored one. */
export type Rewriting = { mark: string; rewrite(name: string, manifest: string): string };

const GROUP_SUFFIX = '-2';
const GROUPED = /\b(AUDIO|SUBTITLES)="([^"]*)"/g;

/** @param path of the generation, with a slash at either end; undefined where there is no second host */
export function withFallback(
  { MEDIA_FALLBACK_URL: url }: Pick<Config, 'MEDIA_FALLBACK_URL'>,
  path: string,
): Rewriting | undefined {
  if (url === undefined) return undefined;
  const base = url.replace(/\/+$/, '') + path;
  return {
    mark: new URL(url).host.replaceAll(/[^A-Za-z0-9.-]/g, '_'),
    rewrite: (name, text) => (isMpd(name) ? mpdWith(text, base) : masterWith(text, base)),
  };
}

/**
 * Redundant variants (RFC 8216 §4.3.4.2): the same attributes with another URI, right after the variant. Their groups
 * of sound and subtitles are of that host too, or half of the film would still be asked of the one that is gone.
 */
function masterWith(master: string, base: string): string {
  const lines = master.split('\n');
  const out: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    out.push(line);
    if (line.startsWith('#EXT-X-MEDIA:') && /,URI="/.test(line)) out.push(mediaAt(line, base));
    if (!line.startsWith('#EXT-X-STREAM-INF:')) continue;
    const uri = lines[++at] ?? '';
    out.push(uri);
    // A rung with another choice of sound comes later under the same URI: hls.js takes what comes after a redundant
    // variant for one more host, so all of a rung's own stand before.
    if (lines.indexOf(uri, at + 1) !== -1) continue;
    for (let before = 0; before < at; before++) {
      if (lines[before + 1] === uri && lines[before]!.startsWith('#EXT-X-STREAM-INF:')) {
        out.push(inGroups(lines[before]!), base + uri);
      }
    }
  }
  return out.join('\n');
}

function mediaAt(line: string, base: string): string {
  return line
    .replace(/\bGROUP-ID="([^"]*)"/, `GROUP-ID="$1${GROUP_SUFFIX}"`)
    .replace(/,URI="([^"]*)"/, (_, uri: string) => `,URI="${base}${uri}"`);
}

function inGroups(line: string): string {
  return line.replace(GROUPED, `$1="$2${GROUP_SUFFIX}"`);
}

const DVB = 'xmlns:dvb="urn:dvb:dash:dash-extensions:2014-1"';

/** Two BaseURLs (ISO/IEC 23009-1 §5.6.5) in the order they are to be tried, which DVB's attributes say once more. */
function mpdWith(mpd: string, base: string): string {
  const baseUrl = (place: number, url: string) =>
    `<BaseURL serviceLocation="${place}" dvb:priority="${place}" dvb:weight="1">${url}</BaseURL>`;
  return mpd.replace(/<MPD\b/, `<MPD ${DVB}`).replace(/^( *)<Period\b/m, (period, indent: string) => {
    return `${indent}${baseUrl(1, './')}\n${indent}${baseUrl(2, base)}\n${period}`;
  });
}

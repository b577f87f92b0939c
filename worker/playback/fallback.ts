// A second host for the same media (MEDIA_FALLBACK_URL): manifests name every rendition once more there, so that a
// player whose first host fails goes on with the other. Pure.
import { DAY_SECONDS } from '../../shared/limits.ts';
import type { Config } from '../env.ts';
import { isMpd } from './quality-cap.ts';

/** A manifest as one place shows it; `mark` tells its etag apart from that of the stored one. */
export type Rewriting = { mark: string; rewrite(name: string, manifest: string): string };

const VARIANT = '#EXT-X-STREAM-INF:';
const I_FRAMES = '#EXT-X-I-FRAME-STREAM-INF:';

/** Within the master itself (a data URI may be), since one more request is one more that may fail; it never changes. */
const STEERING_MANIFEST = btoa(
  JSON.stringify({ VERSION: 1, TTL: DAY_SECONDS, 'PATHWAY-PRIORITY': ['1', '2'] }),
);
const STEERING = `#EXT-X-CONTENT-STEERING:SERVER-URI="data:application/json;base64,${STEERING_MANIFEST}",PATHWAY-ID="1"`;

const GROUP_SUFFIX = '-2';
const GROUPED = /\b(AUDIO|SUBTITLES)="([^"]*)"/g;

/** @param path of the generation, with a slash at either end; undefined where there is no second host */
export function withFallback(
  {
    MEDIA_FALLBACK_URL: url,
    MEDIA_FALLBACK_HLS: hls,
  }: Pick<Config, 'MEDIA_FALLBACK_URL' | 'MEDIA_FALLBACK_HLS'>,
  path: string,
): Rewriting | undefined {
  if (url === undefined) return undefined;
  const base = url.replace(/\/+$/, '') + path;
  return {
    mark: `${new URL(url).host.replaceAll(/[^A-Za-z0-9.-]/g, '_')}-${hls}`,
    rewrite: (name, text) => {
      if (isMpd(name)) return mpdWith(text, base);
      const master = masterWith(text, base);
      return hls === 'pathways' ? withPathways(master, base) : master;
    },
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
    if (line.startsWith(I_FRAMES)) out.push(atHost(line, base));
    if (!line.startsWith(VARIANT)) continue;
    const uri = lines[++at] ?? '';
    out.push(uri);
    // A rung with another choice of sound comes later under the same URI: hls.js takes what comes after a redundant
    // variant for one more host, so all of a rung's own stand before.
    if (lines.indexOf(uri, at + 1) !== -1) continue;
    for (let before = 0; before < at; before++) {
      if (lines[before + 1] === uri && lines[before]!.startsWith(VARIANT)) {
        out.push(inGroups(lines[before]!), base + uri);
      }
    }
  }
  return out.join('\n');
}

/**
 * Says of each variant which host's it is, and in which order the hosts are to be tried (content steering,
 * draft-pantos-hls-rfc8216bis §4.4.6.6 and §7). Shaka knows the hosts of one rung by nothing else: it takes a redundant
 * variant for one more rung, and where sound and pictures fail at once it gives up the wrong ones.
 */
function withPathways(master: string, base: string): string {
  const lines = master.split('\n');
  const pathways = lines.map((line, at) => {
    const isIFrames = line.startsWith(I_FRAMES);
    if (!isIFrames && !line.startsWith(VARIANT)) return line;
    const isSecond = isIFrames ? line.includes(`,URI="${base}`) : lines[at + 1]?.startsWith(base);
    return `${line},PATHWAY-ID="${isSecond ? 2 : 1}"`;
  });
  return pathways.join('\n').replace('#EXTM3U\n', `#EXTM3U\n${STEERING}\n`);
}

function mediaAt(line: string, base: string): string {
  return atHost(line, base).replace(/\bGROUP-ID="([^"]*)"/, `GROUP-ID="$1${GROUP_SUFFIX}"`);
}

function atHost(line: string, base: string): string {
  return line.replace(/,URI="([^"]*)"/, (_, uri: string) => `,URI="${base}${uri}"`);
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

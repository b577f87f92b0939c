// The manifests at a title's stable place: those of a generation, one folder up. Pure.
import { isMpd } from './quality-cap.ts';

/** @param generation the folder, beside the manifest, that its relative URIs are of */
export function atStablePlace(name: string, manifest: string, generation: string): string {
  return isMpd(name) ? mpdAt(manifest, generation) : masterAt(manifest, generation);
}

function masterAt(master: string, generation: string): string {
  const moved = (uri: string) => (isRelative(uri) ? `${generation}/${uri}` : uri);
  return master
    .split('\n')
    .map((line) => {
      if (line === '') return line;
      if (!line.startsWith('#')) return moved(line);
      return line.replace(/([:,]URI=")([^"]*)"/, (_, start: string, uri: string) => `${start}${moved(uri)}"`);
    })
    .join('\n');
}

/**
 * ISO/IEC 23009-1 §5.6.4: a BaseURL is resolved against where the MPD is, and those further in against it. It stands
 * before the first Period.
 */
function mpdAt(mpd: string, generation: string): string {
  const period = mpd.search(/^ *<Period\b/m);
  const [head, rest] = [mpd.slice(0, period), mpd.slice(period)];
  if (!/<BaseURL\b/.test(head)) return `${head}  <BaseURL>${generation}/</BaseURL>\n${rest}`;
  const moved = head.replace(/(<BaseURL\b[^>]*>)([^<]*)/g, (_, tag: string, url: string) =>
    isRelative(url) ? `${tag}${generation}/${url.replace(/^\.\//, '')}` : tag + url,
  );
  return moved + rest;
}

function isRelative(uri: string): boolean {
  return !/^(?:[a-z][a-z0-9+.-]*:|\/)/i.test(uri);
}

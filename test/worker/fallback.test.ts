// How manifests name a second host, line by line.
import { Parser } from 'm3u8-parser';
import { describe, expect, test } from 'vitest';
import { dashManifest } from '../../shared/dash.ts';
import { masterPlaylist } from '../../shared/hls.ts';
import type { SubtitleTrack } from '../../shared/manifest-tracks.ts';
import { withFallback } from '../../worker/playback/fallback.ts';
import { atStablePlace } from '../../worker/playback/stable-manifest.ts';
import { AUDIO, VIDEO } from './playback-fixtures.ts';

const BASE = 'https://b.test/m/p/token/hls/videos/v/g/';
const rewriting = (hls: 'pathways' | 'variants') =>
  withFallback(
    { MEDIA_FALLBACK_URL: 'https://b.test/m/', MEDIA_FALLBACK_HLS: hls },
    '/p/token/hls/videos/v/g/',
  )!;
const { rewrite } = rewriting('variants');
const SURROUND = { ...AUDIO[0]!, name: 'en_51', stem: 'audio_en_51', channels: 6, surroundOf: 'en' };
const TEXT: SubtitleTrack = {
  ...{ stem: 'subtitles_de', name: 'de', language: 'de', label: 'Deutsch', sizeBytes: 10 },
  ...{ isDefault: false, isForced: false, isCaptions: false },
};
const TRACKS = { video: VIDEO, audio: [...AUDIO, SURROUND], subtitles: [TEXT] };

/** The variants of a master: place of its URI, and groups of sound and subtitles. */
function variants(master: string): string[] {
  const lines = master.split('\n');
  return lines.flatMap((line, at) => {
    if (!line.startsWith('#EXT-X-STREAM-INF:')) return [];
    const group = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(line)?.[1];
    return [`${lines[at + 1]!.replace(BASE, 'B ')} ${group('AUDIO')} ${group('SUBTITLES')}`];
  });
}

describe('a master with a second host', () => {
  test('names every variant again after all choices of sound it has, with groups of that host', () => {
    const stored = masterPlaylist(TRACKS);
    const rung = (height: number) => [
      `stream_${height}p.m3u8 surround subtitles`,
      `B stream_${height}p.m3u8 audio-2 subtitles-2`,
      `B stream_${height}p.m3u8 surround-2 subtitles-2`,
    ];
    expect(variants(rewrite('master.m3u8', stored))).toEqual([
      ...variants(stored).filter((one) => one.includes(' audio ')),
      ...[240, 480, 720].flatMap(rung),
    ]);
  });

  test('has every group on either host', () => {
    const master = rewrite('master.m3u8', masterPlaylist(TRACKS));
    const media = [...master.matchAll(/^#EXT-X-MEDIA:.*GROUP-ID="([^"]*)".*,URI="([^"]*)"/gm)];
    const groups = new Set(media.map(([, id]) => id));
    for (const [, id, uri] of media) {
      expect(uri!.startsWith(BASE)).toBe(id!.endsWith('-2'));
      expect(groups.has(id!.endsWith('-2') ? id!.slice(0, -2) : `${id}-2`)).toBe(true);
    }
    expect(media).toHaveLength(6);
  });

  test('keeps its I-frame lists, and what else it says', () => {
    const stored = masterPlaylist(TRACKS).split('\n');
    const kept = new Set(rewrite('master.m3u8', stored.join('\n')).split('\n'));
    expect(stored.filter((line) => !kept.has(line))).toEqual([]);
  });
});

describe('a master with pathways', () => {
  const master = rewriting('pathways').rewrite('master.m3u8', masterPlaylist(TRACKS));
  const lines = master.split('\n');
  const pathwayOf = (line: string) => /,PATHWAY-ID="([^"]*)"$/.exec(line)?.[1];

  test('is that with redundant variants, and says whose each of them and of the I-frame lists is', () => {
    const plain = lines.filter((line) => !line.startsWith('#EXT-X-CONTENT-STEERING:'));
    expect(plain.map((line) => line.replace(/,PATHWAY-ID="[^"]*"$/, '')).join('\n')).toBe(
      rewrite('master.m3u8', masterPlaylist(TRACKS)),
    );
    const hosts = lines.flatMap((line, at) => {
      if (line.startsWith('#EXT-X-STREAM-INF:')) return [[pathwayOf(line), lines[at + 1]!] as const];
      const uri = /^#EXT-X-I-FRAME-STREAM-INF:.*,URI="([^"]*)"/.exec(line)?.[1];
      return uri === undefined ? [] : [[pathwayOf(line), uri] as const];
    });
    expect(hosts).toHaveLength(2 * 6 + 2 * 3);
    for (const [pathway, uri] of hosts) expect(pathway).toBe(uri.startsWith(BASE) ? '2' : '1');
  });

  test('brings its steering manifest along, which leads from the first host to the second', async () => {
    const [, uri, first] =
      /^#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI="([^"]*)",PATHWAY-ID="([^"]*)"\n/.exec(master)!;
    expect(first).toBe('1');
    expect(await (await fetch(uri!)).json()).toEqual({
      VERSION: 1,
      TTL: 86_400,
      'PATHWAY-PRIORITY': ['1', '2'],
    });
  });

  test('is read by a parser, of which each host has every rung', () => {
    const parser = new Parser();
    parser.push(master);
    parser.end();
    const { playlists, contentSteering } = parser.manifest;
    expect(contentSteering).toMatchObject({ pathwayId: '1' });
    const filesOf = (id: string) =>
      playlists!.flatMap(({ uri, attributes }) =>
        attributes['PATHWAY-ID'] === id ? [uri.replace(BASE, '')] : [],
      );
    expect(filesOf('2').toSorted()).toEqual(filesOf('1').toSorted());
    expect(new Set(filesOf('1'))).toEqual(new Set([240, 480, 720].map((height) => `stream_${height}p.m3u8`)));
  });

  test('has another mark than one without', () => {
    expect(rewriting('pathways').mark).not.toBe(rewriting('variants').mark);
  });
});

describe('an MPD', () => {
  const stored = dashManifest(TRACKS);

  test('has the second host behind the first, and the places of its own files untouched', () => {
    const mpd = rewrite('manifest.mpd', stored);
    expect(mpd).toContain('xmlns:dvb="urn:dvb:dash:dash-extensions:2014-1"');
    const urls = [...mpd.matchAll(/<BaseURL([^>]*)>([^<]*)</g)].map(([, attributes, url]) => [
      attributes,
      url,
    ]);
    expect(urls).toEqual([
      [' serviceLocation="1" dvb:priority="1" dvb:weight="1"', './'],
      [' serviceLocation="2" dvb:priority="2" dvb:weight="1"', BASE],
      ['', 'subtitles_de.vtt'],
    ]);
  });

  test('at a stable place leads into its generation, with and without a second host', () => {
    const urls = (mpd: string) => [...mpd.matchAll(/<BaseURL[^>]*>([^<]*)</g)].map(([, url]) => url);
    expect(urls(atStablePlace('manifest.mpd', stored, 'g'))).toEqual(['g/', 'subtitles_de.vtt']);
    const both = atStablePlace('manifest.mpd', rewrite('manifest.mpd', stored), 'g');
    expect(urls(both)).toEqual(['g/', BASE, 'subtitles_de.vtt']);
  });
});

// The manifests of our own presentation, broken in one way at a time, next to the intact twin.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withFallback } from '../../worker/playback/fallback.ts';
import { copyOf, edit, swap } from '../support/break-stream.ts';
import { type Fault, failedChecks } from '../support/certified.ts';
import { type StreamFiles, type StreamServer, startStreamServer } from '../support/stream-server.ts';
import { ownStream } from '../support/streams.ts';

const MASTER = 'master.m3u8';
const MPD = 'manifest.mpd';
const LIST = 'stream_180p.m3u8';

let good: StreamFiles;
let server: StreamServer;

beforeAll(async () => {
  [good, server] = await Promise.all([ownStream(), startStreamServer()]);
});
afterAll(() => server[Symbol.asyncDispose]());

const PLAYLIST_FAULTS: Fault[] = [
  ['extinf-exact', 'a wrong EXTINF', (f) => edit(f, LIST, (t) => t.replace('2.000000', '1.900000'))],
  [
    'extinf-exact',
    'an EXTINF a millisecond off',
    (f) => edit(f, LIST, (t) => t.replace('2.000000', '2.001000')),
  ],
  ['playlist-closed', 'a missing ENDLIST', (f) => edit(f, LIST, (t) => t.replace('#EXT-X-ENDLIST', ''))],
  [
    'playlist-closed',
    'one list without type and end among finished ones',
    (f) => edit(f, LIST, (t) => t.replace('#EXT-X-ENDLIST', '').replace('#EXT-X-PLAYLIST-TYPE:VOD\n', '')),
  ],
  [
    'target-duration',
    'a TARGETDURATION too low',
    (f) => edit(f, LIST, (t) => t.replace('DURATION:3', 'DURATION:1')),
  ],
  [
    'playlist-version',
    'a version that knows no map',
    (f) => edit(f, LIST, (t) => t.replace('VERSION:7', 'VERSION:5')),
  ],
  [
    'playlist-syntax',
    'an EXTINF that is no number',
    (f) => edit(f, LIST, (t) => t.replace('2.000000,', 'two,')),
  ],
  [
    'playlist-syntax',
    'a segment without EXTINF',
    (f) => edit(f, LIST, (t) => t.replace('#EXTINF:1.000000,\n', '')),
  ],
  [
    'playlist-syntax',
    'an attribute twice',
    (f) => edit(f, MASTER, (t) => t.replace('CHANNELS=', 'NAME="x",CHANNELS=')),
  ],
  [
    'playlist-syntax',
    'a variant without a URI',
    (f) => edit(f, MASTER, (t) => t.replace('\nstream_90p.m3u8', '')),
  ],
  [
    'playlist-syntax',
    'a variant without BANDWIDTH',
    (f) => edit(f, MASTER, (t) => t.replace(/([:,])BANDWIDTH=\d+,/, '$1')),
  ],
  ['playlist-syntax', 'a list that is none', (f) => edit(f, LIST, (t) => t.replace('#EXTM3U', 'EXTM3U'))],
  [
    'segments-unique',
    'a segment listed twice',
    (f) => edit(f, LIST, (t) => t.replace('180p_001', '180p_000')),
  ],
  [
    'tfdt-continuous',
    'segments in the wrong order',
    (f) => swap(f, 'stream_180p_000.m4s', 'stream_180p_001.m4s'),
  ],
  [
    'playlists-aligned',
    'a rung without its last segment',
    (f) => edit(f, LIST, (t) => t.replace('#EXTINF:1.000000,\nstream_180p_002.m4s\n', '')),
  ],
  [
    'tracks-end-together',
    'sound that ends 2 s before the picture',
    (f) => edit(f, 'audio_und.m3u8', (t) => t.replace(/(#EXTINF:[\d.]+,\naudio_und_00[12]\.m4s\n){2}/, '')),
  ],
  [
    'gaps',
    'a segment marked as missing',
    (f) => edit(f, LIST, (t) => t.replace('#EXTINF', '#EXT-X-GAP\n#EXTINF')),
  ],
  [
    'init-named',
    'no EXT-X-MAP before the first segment',
    (f) => edit(f, LIST, (t) => t.replace(/(#EXT-X-MAP.*\n)(#EXTINF.*\n.*\n)/, '$2$1')),
  ],
  [
    'init-identical',
    'another init segment from the second segment on',
    (f) => edit(f, LIST, (t) => t.replace('000.m4s\n', '000.m4s\n#EXT-X-MAP:URI="stream_90p_init.mp4"\n')),
  ],
];

const MASTER_FAULTS: Fault[] = [
  [
    'codecs',
    'CODECS of another profile',
    (f) => edit(f, MASTER, (t) => t.replace(/avc1\.\w+/, 'avc1.640028')),
  ],
  ['codecs', 'CODECS without the sound', (f) => edit(f, MASTER, (t) => t.replace(',mp4a.40.2', ''))],
  [
    'codecs',
    'CODECS of a sound that is not there',
    (f) => edit(f, MASTER, (t) => t.replace('mp4a.40.2', 'mp4a.40.2,ec-3')),
  ],
  ['codecs', 'no CODECS', (f) => edit(f, MASTER, (t) => t.replace(/CODECS="[^"]*",/, ''))],
  ['resolution', 'a wrong RESOLUTION', (f) => edit(f, MASTER, (t) => t.replace('320x180', '640x360'))],
  [
    'resolution',
    'a wrong RESOLUTION of key frames',
    (f) => edit(f, MASTER, (t) => t.replace('160x90,URI', '320x180,URI')),
  ],
  ['frame-rate', 'a wrong FRAME-RATE', (f) => edit(f, MASTER, (t) => t.replace('30.000', '29.970'))],
  [
    'bandwidth',
    'an understated BANDWIDTH',
    (f) =>
      edit(f, MASTER, (t) =>
        t.replace(/([:,])BANDWIDTH=(\d+)/, (_, c, n) => `${c}BANDWIDTH=${Math.floor(n * 0.97)}`),
      ),
  ],
  [
    'average-bandwidth',
    'a flattering AVERAGE-BANDWIDTH',
    (f) =>
      edit(f, MASTER, (t) =>
        t.replace(/AVERAGE-BANDWIDTH=(\d+)/, (_, n) => `AVERAGE-BANDWIDTH=${Math.floor(n * 0.8)}`),
      ),
  ],
  [
    'iframe-bandwidth',
    'an understated BANDWIDTH of key frames',
    (f) => edit(f, MASTER, (t) => t.replace(/(I-FRAME-STREAM-INF:BANDWIDTH=)\d+/, '$110000')),
  ],
  [
    'groups-exist',
    'an AUDIO group that is not there',
    (f) => edit(f, MASTER, (t) => t.replace(',AUDIO="audio"', ',AUDIO="loud"')),
  ],
  [
    'groups-exist',
    'a SUBTITLES group that is not there',
    (f) => edit(f, MASTER, (t) => t.replace(',SUBTITLES="text"', ',SUBTITLES="none"')),
  ],
  [
    'groups-used',
    'a group that nobody refers to',
    (f) => edit(f, MASTER, (t) => t.replaceAll(',SUBTITLES="text"', '')),
  ],
  [
    'group-defaults',
    'two members with DEFAULT=YES',
    (f) =>
      edit(f, MASTER, (t) =>
        t.replace(/(#EXT-X-MEDIA:TYPE=AUDIO.*)NAME="Audio"(.*)/, '$&\n$1NAME="Other",LANGUAGE="fr"$2'),
      ),
  ],
  [
    'group-names',
    'two members of one name',
    (f) =>
      edit(f, MASTER, (t) =>
        t.replace(/(#EXT-X-MEDIA:TYPE=AUDIO.*)DEFAULT=YES(.*)/, '$&\n$1DEFAULT=NO,LANGUAGE="fr"$2'),
      ),
  ],
  [
    'group-autoselect',
    'two members that nothing tells apart',
    (f) =>
      edit(f, MASTER, (t) =>
        t.replace(
          /(#EXT-X-MEDIA:TYPE=AUDIO.*)NAME="Audio",DEFAULT=YES(.*)/,
          '$&\n$1NAME="Other",DEFAULT=NO$2',
        ),
      ),
  ],
  [
    'group-members',
    'a DEFAULT that is neither YES nor NO',
    (f) => edit(f, MASTER, (t) => t.replace('DEFAULT=YES', 'DEFAULT=true')),
  ],
  [
    'group-members',
    'forced sound',
    (f) => edit(f, MASTER, (t) => t.replace('DEFAULT=YES', 'DEFAULT=YES,FORCED=YES')),
  ],
  [
    'languages',
    'a LANGUAGE that is none',
    (f) => edit(f, MASTER, (t) => t.replace('LANGUAGE="en"', 'LANGUAGE="English, US"')),
  ],
  ['channels', 'wrong CHANNELS', (f) => edit(f, MASTER, (t) => t.replace('CHANNELS="1"', 'CHANNELS="6"'))],
  [
    'variants-unique',
    'a variant listed twice',
    (f) => edit(f, MASTER, (t) => t.replace(/#EXT-X-STREAM-INF.*\nstream_90p.m3u8/, '$&\n$&')),
  ],
];

const MPD_FAULTS: Fault[] = [
  ['mpd-syntax', 'a tag that is not closed', (f) => edit(f, MPD, (t) => t.replace('</Period>', ''))],
  [
    'mpd-syntax',
    'a representation without bandwidth',
    (f) => edit(f, MPD, (t) => t.replace(/ bandwidth="\d+"/, '')),
  ],
  [
    'mpd-syntax',
    'two representations of one id',
    (f) => edit(f, MPD, (t) => t.replace('id="stream_90p"', 'id="stream_180p"')),
  ],
  [
    'mpd-duration',
    'a wrong presentation duration',
    (f) => edit(f, MPD, (t) => t.replace('PT5.034667S', 'PT6.5S')),
  ],
  [
    'mpd-equals-hls',
    'a start number off by one',
    (f) => edit(f, MPD, (t) => t.replace('startNumber="0"', 'startNumber="1"')),
  ],
  [
    'mpd-equals-hls',
    'a segment less than in the playlists',
    (f) => edit(f, MPD, (t) => t.replace(' r="1"', '')),
  ],
  [
    'mpd-timeline-equals-bytes',
    'a wrong timescale',
    (f) => edit(f, MPD, (t) => t.replace('timescale="90000"', 'timescale="45000"')),
  ],
  [
    'mpd-timeline-equals-bytes',
    'a wrong duration of a segment',
    (f) => edit(f, MPD, (t) => t.replace('d="97280"', 'd="95232"')),
  ],
  [
    'mpd-timeline',
    'a hole in the timeline',
    (f) => edit(f, MPD, (t) => t.replace('<S d="90000"/>', '<S t="450000" d="90000"/>')),
  ],
  [
    'mpd-complete',
    'a representation that is missing',
    (f) => edit(f, MPD, (t) => t.replace(/<Representation id="stream_90p".*?<\/Representation>/s, '')),
  ],
  ['mpd-codecs', 'other codecs', (f) => edit(f, MPD, (t) => t.replace(/avc1\.\w+/, 'avc1.640028'))],
  ['mpd-picture', 'a wrong size', (f) => edit(f, MPD, (t) => t.replace('width="160"', 'width="176"'))],
  [
    'mpd-frame-rate',
    'a wrong frame rate',
    (f) => edit(f, MPD, (t) => t.replace('frameRate="30"', 'frameRate="30000/1001"')),
  ],
  [
    'mpd-channels',
    'wrong channels',
    (f) => edit(f, MPD, (t) => t.replace('2011" value="1"', '2011" value="6"')),
  ],
  [
    'mpd-bandwidth',
    'an understated bandwidth',
    (f) =>
      edit(f, MPD, (t) =>
        t.replace(
          /bandwidth="(\d+)" width="320"/,
          (_, n) => `bandwidth="${Math.floor(n * 0.9)}" width="320"`,
        ),
      ),
  ],
];

describe('certifying our own manifests', () => {
  it.each([true, false])('finds nothing wrong with a good one (deep: %s)', async (isDeep) => {
    expect(await failedChecks(server, good, { isDeep })).toEqual([]);
  });

  it('certifies the MPD by itself', async () => {
    expect(await failedChecks(server, good, { root: MPD })).toEqual([]);
  });

  it.each([...PLAYLIST_FAULTS, ...MASTER_FAULTS, ...MPD_FAULTS])(
    'finds by %s: %s',
    async (check, _fault, breakIt) => {
      const files = copyOf(good);
      breakIt(files);
      expect(await failedChecks(server, files)).toContain(check);
    },
  );

  describe('on two hosts', () => {
    const onTwoHosts = (files: StreamFiles, second: StreamServer) => {
      const both = copyOf(files);
      const hosts = { MEDIA_FALLBACK_URL: second.url(''), MEDIA_FALLBACK_HLS: 'pathways' as const };
      const { rewrite } = withFallback(hosts, '/')!;
      for (const name of [MASTER, MPD]) edit(both, name, (text) => rewrite(name, text));
      return both;
    };

    it('finds nothing wrong with good ones', async () => {
      await using second = await startStreamServer();
      second.files = good;
      expect(await failedChecks(server, onTwoHosts(good, second))).toEqual([]);
    });

    it('finds a segment that the second host lacks', async () => {
      await using second = await startStreamServer();
      second.files = copyOf(good);
      second.files.delete('stream_90p_001.m4s');
      expect(await failedChecks(server, onTwoHosts(good, second))).toContain('reachable');
    });

    it('finds a representation that is missing on both', async () => {
      await using second = await startStreamServer();
      second.files = good;
      const files = onTwoHosts(good, second);
      edit(files, MPD, (text) => text.replace(/<Representation id="stream_90p".*?<\/Representation>/s, ''));
      expect(await failedChecks(server, files)).toContain('mpd-complete');
    });
  });

  it('finds nothing in what was broken only as a copy', async () => {
    expect(await failedChecks(server, good)).toEqual([]);
  });
});

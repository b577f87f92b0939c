// Streams of ffmpeg's own hls muxer, good and broken: fragmented MP4 with B-frames, MPEG-TS, and TS under AES-128.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyOf, edit, fileOf, setBytes, showTwiceAtOnce, swap } from '../support/break-stream.ts';
import { certificateOf, type Fault, failedChecks } from '../support/certified.ts';
import { type StreamFiles, type StreamServer, startStreamServer } from '../support/stream-server.ts';
import { encryptedTsStream, ffmpegFmp4Stream, ffmpegTsStream } from '../support/streams.ts';

const MASTER = 'master.m3u8';
const LIST = 'out0.m3u8';
const SEGMENT = 's0_001.ts';
const TS_PACKET_BYTES = 188;

let fmp4: StreamFiles;
let ts: StreamFiles;
let encrypted: StreamFiles;
let server: StreamServer;

beforeAll(async () => {
  server = await startStreamServer();
  fmp4 = await ffmpegFmp4Stream();
  ts = await ffmpegTsStream();
  encrypted = await encryptedTsStream();
});
afterAll(() => server[Symbol.asyncDispose]());

describe("certifying a stranger's fragmented MP4", () => {
  it.each([true, false])('finds nothing wrong with a good one (deep: %s)', async (isDeep) => {
    expect(await failedChecks(server, fmp4, { isDeep })).toEqual([]);
  });

  it('says what its master playlist does not tell', async () => {
    const { notChecked } = await certificateOf(server, fmp4);
    expect(notChecked.map(({ what }) => what)).toContain('the frame rate of out0.m3u8');
  });

  const faults: Fault[] = [
    ['decode-order', 'two pictures shown at once', (f) => setBytes(f, 's0_001.m4s', showTwiceAtOnce)],
    [
      'codecs',
      'CODECS of another profile',
      (f) => edit(f, MASTER, (t) => t.replace(/avc1\.\w+/, 'avc1.42c00d')),
    ],
    ['resolution', 'the init segment of another rung', (f) => swap(f, 'init0.mp4', 'init1.mp4')],
    [
      'bandwidth',
      'an understated BANDWIDTH',
      (f) => edit(f, MASTER, (t) => t.replace(/BANDWIDTH=\d+/, 'BANDWIDTH=200000')),
    ],
    ['tfdt-continuous', 'segments in the wrong order', (f) => swap(f, 's0_001.m4s', 's0_002.m4s')],
    [
      'group-defaults',
      'two members with DEFAULT=YES',
      (f) =>
        edit(f, MASTER, (t) =>
          t.replace(/#EXT-X-MEDIA.*/, (line) => `${line}\n${line.replace('audio_2', 'other')}`),
        ),
    ],
    [
      'extinf-exact',
      'a wrong EXTINF of the sound',
      (f) => edit(f, 'out2.m3u8', (t) => t.replace('1.002667', '1.102667')),
    ],
    [
      'tracks-end-together',
      'sound that ends 2 s early',
      (f) => edit(f, 'out2.m3u8', (t) => t.replace(/(#EXTINF.*\n.*\n){3}(#EXT-X-ENDLIST)/, '$2')),
    ],
  ];
  it.each(faults)('finds by %s: %s', async (check, _fault, breakIt) => {
    const files = copyOf(fmp4);
    breakIt(files);
    expect(await failedChecks(server, files)).toContain(check);
  });
});

describe("certifying a stranger's MPEG-TS", () => {
  it.each([true, false])('finds nothing wrong with a good one (deep: %s)', async (isDeep) => {
    expect(await failedChecks(server, ts, { isDeep })).toEqual([]);
  });

  it('reads a media playlist without a master, and says what it cannot know', async () => {
    expect(await failedChecks(server, ts, { root: LIST })).toEqual([]);
    const { notChecked } = await certificateOf(server, ts, { root: LIST });
    expect(notChecked).toContainEqual({
      what: 'CODECS, RESOLUTION, FRAME-RATE and bandwidths',
      why: 'there is no master playlist',
    });
  });

  const faults: Fault[] = [
    [
      'starts-with-key',
      'a segment that begins in the middle of a GOP',
      (f) => setBytes(f, SEGMENT, secondHalf),
    ],
    [
      'segment-readable',
      'a segment cut within a packet',
      (f) => setBytes(f, SEGMENT, (b) => b.subarray(0, -100)),
    ],
    ['segment-readable', 'packets lost in the middle', (f) => setBytes(f, SEGMENT, withoutPackets)],
    ['segment-readable', 'a page for a segment', (f) => setBytes(f, SEGMENT, () => Buffer.from('<html>'))],
    ['tfdt-continuous', 'segments in the wrong order', (f) => swap(f, SEGMENT, 's0_002.ts')],
    ['extinf-exact', 'a wrong EXTINF', (f) => edit(f, LIST, (t) => t.replace('1.000000', '1.200000'))],
    [
      'codecs',
      'CODECS of another profile',
      (f) => edit(f, MASTER, (t) => t.replace(/avc1\.\w+/, 'avc1.42c00d')),
    ],
    ['codecs', 'CODECS without the sound', (f) => edit(f, MASTER, (t) => t.replace(',mp4a.40.2', ''))],
    ['resolution', 'a wrong RESOLUTION', (f) => edit(f, MASTER, (t) => t.replace('320x180', '640x360'))],
    [
      'frame-rate',
      'a wrong FRAME-RATE',
      (f) => edit(f, MASTER, (t) => t.replace('320x180', '320x180,FRAME-RATE=29.970')),
    ],
    [
      'bandwidth',
      'an understated BANDWIDTH',
      (f) => edit(f, MASTER, (t) => t.replace(/BANDWIDTH=\d+/, 'BANDWIDTH=200000')),
    ],
    [
      'frames-equal',
      'frames missing at the end of a rung',
      (f) => setBytes(f, 's0_003.ts', (b) => b.subarray(0, wholePackets(b.length * 0.7))),
    ],
    [
      'init-named',
      'segments of MP4 in a list without EXT-X-MAP',
      (f) => edit(f, LIST, (t) => t.replace(/#EXTINF.*\n(.*_001)/, '#EXT-X-MAP:URI="init.mp4"\n$&')),
    ],
  ];
  it.each(faults)('finds by %s: %s', async (check, _fault, breakIt) => {
    const files = copyOf(ts);
    breakIt(files);
    expect(await failedChecks(server, files)).toContain(check);
  });
});

describe('certifying encrypted segments', () => {
  it('decrypts where the key is given out', async () => {
    const { passed, checks } = await certificateOf(server, encrypted);
    expect(passed).toBe(true);
    expect(checks.find(({ name }) => name === 'starts-with-key')?.count).toBe(8);
  });

  it('says that it could not look inside where the key is not', async () => {
    const files = copyOf(encrypted);
    fileOf(files, 'key.bin').status = 403;
    const { passed, checks, notChecked } = await certificateOf(server, files);
    expect(passed).toBe(true);
    expect(checks.find(({ name }) => name === 'starts-with-key')).toBeUndefined();
    expect(notChecked).toContainEqual({
      what: 'contents of segments',
      why: 'encrypted, and the key is not given out',
    });
  });

  it.each<Fault>([
    ['decryption', 'another key', (f) => setBytes(f, 'key.bin', (b) => b.fill(9))],
    ['key-length', 'a key of the wrong length', (f) => setBytes(f, 'key.bin', (b) => b.subarray(1))],
    ['decryption', 'a truncated segment', (f) => setBytes(f, SEGMENT, (b) => b.subarray(0, -7))],
  ])('finds by %s: %s', async (check, _fault, breakIt) => {
    const files = copyOf(encrypted);
    breakIt(files);
    expect(await failedChecks(server, files)).toContain(check);
  });
});

function wholePackets(bytes: number): number {
  return Math.floor(bytes / TS_PACKET_BYTES) * TS_PACKET_BYTES;
}

/** The tables that a segment begins with, then its second half from a PES packet of the video on. */
function secondHalf(bytes: Uint8Array): Uint8Array {
  const tables = 3 * TS_PACKET_BYTES;
  return Buffer.concat([bytes.subarray(0, tables), bytes.subarray(wholePackets(bytes.length / 2))]);
}

function withoutPackets(bytes: Uint8Array): Uint8Array {
  const middle = wholePackets(bytes.length / 2);
  return Buffer.concat([bytes.subarray(0, middle), bytes.subarray(middle + 3 * TS_PACKET_BYTES)]);
}

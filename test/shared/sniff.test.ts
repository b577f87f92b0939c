import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { SNIFF_BYTES } from '../../shared/limits.ts';
import { sniffContainer } from '../../shared/sniff.ts';
import { CORPUS } from '../support/media.ts';

function bytes(...parts: (string | number[])[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'string' ? [...Buffer.from(part, 'latin1')] : part)),
  );
}

/** Padding that is no text. */
const BINARY = new Array(64).fill(0);
const box = (type: string, rest: string) => bytes([0, 0, 0, 24], type, rest, BINARY);
const packets = (stride: number, skipped: number) =>
  Uint8Array.from({ length: 188 * 12 }, (_, index) => ((index + skipped) % stride === 0 ? 0x47 : 0x11));

function refusal(head: Uint8Array): AppError {
  try {
    sniffContainer(head, Math.max(1, head.length));
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error('it was accepted');
}

describe('sniffing', () => {
  it.each([
    ['MP4', box('ftyp', 'isom'), 'mp4', 'mov'],
    ['QuickTime', box('ftyp', 'qt  '), 'mov', 'mov'],
    ['an MP4 that begins with moov', box('moov', 'mvhd'), 'mov', 'mov'],
    ['an MP4 that begins with mdat', box('mdat', 'xxxx'), 'mov', 'mov'],
    ['an MP4 that begins with free', box('free', 'xxxx'), 'mov', 'mov'],
    ['an MP4 that begins with skip', box('skip', 'xxxx'), 'mov', 'mov'],
    ['an MP4 that begins with wide', box('wide', 'mdat'), 'mov', 'mov'],
    [
      'Matroska',
      bytes([0x1a, 0x45, 0xdf, 0xa3, 0xa3, 0x42, 0x82, 0x88], 'matroska', BINARY),
      'matroska',
      'matroska',
    ],
    ['WebM', bytes([0x1a, 0x45, 0xdf, 0xa3, 0x9f, 0x42, 0x82, 0x84], 'webm', BINARY), 'webm', 'matroska'],
    ['MPEG-TS', packets(188, 0), 'mpeg-ts', 'mpegts'],
    ['MPEG-TS cut in the middle of a packet', packets(188, 77), 'mpeg-ts', 'mpegts'],
    ['M2TS', packets(192, 188), 'mpeg-ts', 'mpegts'],
    ['AVI', bytes('RIFF', [9, 9, 9, 0], 'AVI LIST', BINARY), 'avi', 'avi'],
    ['FLV', bytes('FLV', [1, 5, 0, 0, 0, 9], BINARY), 'flv', 'flv'],
    ['Ogg', bytes('OggS', [0, 2], BINARY), 'ogg', 'ogg'],
    ['an MPEG program stream', bytes([0, 0, 1, 0xba, 0x44], BINARY), 'mpeg-ps', 'mpeg'],
  ])('knows %s', (_name, head, container, demuxer) => {
    expect(sniffContainer(head, head.length)).toEqual({ container, demuxer });
  });

  it.each([
    ['HLS', '#EXTM3U\n#EXT-X-VERSION:3\n', /HLS/],
    ['HLS behind a byte order mark', '\xef\xbb\xbf#EXTM3U\n', /HLS/],
    ['DASH', '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', /DASH/],
    ['ffconcat', "ffconcat version 1.0\nfile '/etc/passwd'\n", /ffconcat/],
    ['an ffconcat script without its first line', "# list\nfile 'neighbour.mp4'\n", /ffconcat/],
    ['SDP', 'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n', /SDP/],
    ['ASX', '<ASX version="3.0"><entry>', /ASX/],
    ['SMIL', '<smil xmlns="x"><body>', /SMIL/],
    ['PLS', '[playlist]\nFile1=http://127.0.0.1/\n', /playlist/],
    ['a bare address', 'http://127.0.0.1:18080/a.mp4\n', /addresses/],
  ])('refuses %s as a playlist', (_name, text, words) => {
    expect(refusal(bytes(text))).toMatchObject({
      code: 'media_playlist_refused',
      detail: expect.stringMatching(words),
    });
  });

  it.each([
    ['JPEG', bytes([0xff, 0xd8, 0xff, 0xe0], BINARY)],
    ['PNG', bytes([0x89], 'PNG\r\n\x1a\n', BINARY)],
    ['GIF', bytes('GIF89a', BINARY)],
    ['WebP', bytes('RIFF', [9, 9, 9, 0], 'WEBPVP8 ', BINARY)],
    ['BMP', bytes('BM', [9, 9, 0, 0], [0, 0, 0, 0], BINARY)],
    ['TIFF', bytes('II*\0', BINARY)],
    ['HEIC', box('ftyp', 'heic')],
    ['AVIF', box('ftyp', 'avif')],
    ['SVG', bytes('<?xml version="1.0"?><svg xmlns="x"><script/></svg>')],
  ])('refuses %s as a still image', (name, head) => {
    const error = refusal(head);
    expect(error.code).toBe('media_image_refused');
    expect(error.detail).toContain(name);
  });

  it.each([
    ['nothing', new Uint8Array(), /is empty/],
    ['ZIP', bytes('PK\x03\x04', BINARY), /ZIP/],
    ['PDF', bytes('%PDF-1.7\n%\xe2\xe3', BINARY), /PDF/],
    ['HTML', bytes('<!DOCTYPE html>\n<html>'), /HTML/],
    ['text', bytes('Dear diary,\ntoday I learned'), /is text/],
    ['SubRip', bytes('1\n00:00:01,000 --> 00:00:02,000\nHello\n'), /SRT/],
    ['WebVTT', bytes('WEBVTT\n\n00:01.000 --> 00:02.000\n'), /WebVTT/],
    ['ASS', bytes('[Script Info]\nTitle: x\n'), /ASS/],
    ['MP3', bytes('ID3', [4, 0, 0], BINARY), /MP3/],
    ['WAV', bytes('RIFF', [9, 9, 9, 0], 'WAVEfmt ', BINARY), /WAV/],
    ['noise', Uint8Array.from({ length: 4096 }, (_, index) => (index * 7919) % 251), /no known video format/],
  ])('refuses %s as no video', (_name, head, words) => {
    expect(refusal(head)).toMatchObject({ code: 'media_not_video', detail: expect.stringMatching(words) });
  });

  it('says so where a video format is known and not supported', () => {
    expect(refusal(bytes('.RMF', [0, 0, 0, 18], BINARY))).toMatchObject({
      code: 'media_unsupported_container',
      detail: 'The file is a RealMedia file, which is not supported.',
    });
  });

  it('is not impressed by a few bytes that look like a transport stream', () => {
    expect(refusal(packets(188, 0).subarray(0, 188 * 3)).code).toBe('media_not_video');
  });
});

describe.skipIf(!CORPUS)('sniffing real files', () => {
  const DEMUXERS: Record<string, string> = {
    mp4: 'mov',
    mov: 'mov',
    '3gp': 'mov',
    mkv: 'matroska',
    webm: 'matroska',
    ts: 'mpegts',
    avi: 'avi',
    flv: 'flv',
    wmv: 'asf',
    ogv: 'ogg',
  };
  const files = CORPUS ? readdirSync(CORPUS).filter((name) => DEMUXERS[name.split('.').at(-1)!]) : [];

  it.each(files)('knows %s', (name) => {
    const content = readFileSync(join(CORPUS!, name));
    const { demuxer } = sniffContainer(content.subarray(0, SNIFF_BYTES), content.length);
    expect(demuxer).toBe(DEMUXERS[name.split('.').at(-1)!]);
  });
});

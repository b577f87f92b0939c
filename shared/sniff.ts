// Tells a file's container from its first bytes, so that ffmpeg is never asked to guess: a demuxer that is
// forced cannot be talked into opening a playlist, a script or a picture.
import { AppError } from './errors.ts';
import { refuseText } from './sniff-text.ts';

/** `demuxer` is ffmpeg's name for `-f`. */
export type SniffedContainer = { container: string; demuxer: string };

type Signature = { offset: number; bytes: string };
type ContainerRow = SniffedContainer & { signature: Signature };
type RefusalRow = { signature: Signature; also?: Signature; what: string };

const CONTAINERS: readonly ContainerRow[] = [
  { container: 'flv', demuxer: 'flv', signature: at(0, 'FLV\x01') },
  {
    container: 'asf',
    demuxer: 'asf',
    signature: at(0, '\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c'),
  },
  { container: 'avi', demuxer: 'avi', signature: at(8, 'AVI ') },
  { container: 'ogg', demuxer: 'ogg', signature: at(0, 'OggS') },
  { container: 'mpeg-ps', demuxer: 'mpeg', signature: at(0, '\x00\x00\x01\xba') },
];

const IMAGES: readonly RefusalRow[] = [
  { signature: at(0, '\xff\xd8\xff'), what: 'a JPEG picture' },
  { signature: at(0, '\x89PNG\r\n\x1a\n'), what: 'a PNG picture' },
  { signature: at(0, 'GIF8'), what: 'a GIF picture' },
  { signature: at(0, 'RIFF'), also: at(8, 'WEBP'), what: 'a WebP picture' },
  { signature: at(0, 'BM'), also: at(6, '\x00\x00\x00\x00'), what: 'a BMP picture' },
  { signature: at(0, 'II*\x00'), what: 'a TIFF picture' },
  { signature: at(0, 'MM\x00*'), what: 'a TIFF picture' },
  { signature: at(0, '\x00\x00\x01\x00'), what: 'an icon' },
  { signature: at(0, '8BPS'), what: 'a Photoshop picture' },
  { signature: at(0, '\x00\x00\x00\x0cjP  '), what: 'a JPEG 2000 picture' },
  { signature: at(0, '\xff\x4f\xff\x51'), what: 'a JPEG 2000 picture' },
  { signature: at(0, '\xff\x0a'), what: 'a JPEG XL picture' },
  { signature: at(4, 'JXL '), what: 'a JPEG XL picture' },
];

/** Major brands of ISO files that hold still pictures. */
const IMAGE_BRANDS: Record<string, string> = {
  heic: 'a HEIC picture',
  heix: 'a HEIC picture',
  heim: 'a HEIC picture',
  heis: 'a HEIC picture',
  hevc: 'a HEIC picture sequence',
  hevx: 'a HEIC picture sequence',
  mif1: 'a HEIF picture',
  msf1: 'a HEIF picture sequence',
  avif: 'an AVIF picture',
  avis: 'an AVIF picture sequence',
  'crx ': 'a camera raw picture',
  'jp2 ': 'a JPEG 2000 picture',
};

const OTHERS: readonly RefusalRow[] = [
  { signature: at(0, 'PK\x03\x04'), what: 'a ZIP archive or an office document' },
  { signature: at(0, 'PK\x05\x06'), what: 'an empty ZIP archive' },
  { signature: at(0, '%PDF-'), what: 'a PDF document' },
  { signature: at(0, '\x1f\x8b'), what: 'a gzip archive' },
  { signature: at(0, 'BZh'), what: 'a bzip2 archive' },
  { signature: at(0, '\xfd7zXZ'), what: 'an xz archive' },
  { signature: at(0, '\x28\xb5\x2f\xfd'), what: 'a Zstandard archive' },
  { signature: at(0, '7z\xbc\xaf\x27\x1c'), what: 'a 7z archive' },
  { signature: at(0, 'Rar!'), what: 'a RAR archive' },
  { signature: at(257, 'ustar'), what: 'a tar archive' },
  { signature: at(0, '\x7fELF'), what: 'a program' },
  { signature: at(0, 'MZ'), what: 'a program' },
  { signature: at(0, 'ID3'), what: 'an MP3 sound file' },
  { signature: at(0, '\xff\xfb'), what: 'an MP3 sound file' },
  { signature: at(0, '\xff\xf3'), what: 'an MP3 sound file' },
  { signature: at(0, '\xff\xf2'), what: 'an MP3 sound file' },
  { signature: at(0, '\xff\xf1'), what: 'an AAC sound file' },
  { signature: at(0, '\xff\xf9'), what: 'an AAC sound file' },
  { signature: at(0, 'RIFF'), also: at(8, 'WAVE'), what: 'a WAV sound file' },
  { signature: at(0, 'RF64'), what: 'a WAV sound file' },
  { signature: at(0, 'FORM'), also: at(8, 'AIF'), what: 'an AIFF sound file' },
  { signature: at(0, 'fLaC'), what: 'a FLAC sound file' },
  { signature: at(0, '#!AMR'), what: 'an AMR sound file' },
  { signature: at(0, 'MThd'), what: 'a MIDI file' },
  { signature: at(0, 'SQLite format 3'), what: 'a database' },
  { signature: at(0, '\xd0\xcf\x11\xe0'), what: 'an office document' },
];

/** Video formats we know and do not take. */
const UNSUPPORTED: readonly RefusalRow[] = [
  { signature: at(0, '.RMF'), what: 'a RealMedia file' },
  { signature: at(0, '\x06\x0e\x2b\x34'), what: 'an MXF file' },
  { signature: at(0, 'DKIF'), what: 'an IVF file' },
  { signature: at(0, 'YUV4MPEG2'), what: 'uncompressed YUV4MPEG video' },
  { signature: at(0, '\x00\x00\x01\xb3'), what: 'a bare MPEG video stream' },
  { signature: at(0, '\x00\x00\x00\x01'), what: 'a bare H.264 or H.265 stream' },
];

/** Box types an ISO or QuickTime file may begin with. */
const FIRST_BOXES = new Set([
  'ftyp',
  'moov',
  'mdat',
  'free',
  'skip',
  'wide',
  'pnot',
  'styp',
  'moof',
  'sidx',
  'uuid',
]);

const EBML = at(0, '\x1a\x45\xdf\xa3');

/**
 * The container of a file whose first bytes are `head` (up to SNIFF_BYTES of it).
 *
 * @throws AppError media_not_video, media_image_refused, media_playlist_refused or
 * media_unsupported_container, its detail saying what the file is.
 */
export function sniffContainer(head: Uint8Array, sizeBytes: number): SniffedContainer {
  if (sizeBytes === 0 || head.length === 0)
    throw new AppError('media_not_video', { detail: 'The file is empty.' });

  refuseRows(IMAGES, head, 'media_image_refused');
  const iso = isoBrand(head);
  if (iso) return iso;
  if (holds(head, EBML)) return matroskaKind(head);
  for (const { signature, container, demuxer } of CONTAINERS) {
    if (holds(head, signature)) return { container, demuxer };
  }
  // Before the sound files: MP3 frames and TS packets can look alike at byte 0 only.
  if (isTransportStream(head)) return { container: 'mpeg-ts', demuxer: 'mpegts' };
  refuseRows(OTHERS, head, 'media_not_video');
  refuseRows(UNSUPPORTED, head, 'media_unsupported_container');
  refuseText(head);
  throw new AppError('media_not_video', {
    detail:
      'The file is of no known video format. MP4, MOV, MKV, WebM, MPEG-TS, AVI, FLV, WMV and OGV are accepted.',
  });
}

function isoBrand(head: Uint8Array): SniffedContainer | undefined {
  const type = ascii(head, 4, 4);
  if (!FIRST_BOXES.has(type)) return undefined;
  const brand = type === 'ftyp' ? ascii(head, 8, 4) : '';
  const image = IMAGE_BRANDS[brand];
  if (image) throw refusal('media_image_refused', image);
  return { container: type === 'ftyp' && brand !== 'qt  ' ? 'mp4' : 'mov', demuxer: 'mov' };
}

function matroskaKind(head: Uint8Array): SniffedContainer {
  // DocType is among the first few elements of the EBML header.
  const isWebm = ascii(head, 0, 64).includes('webm');
  return { container: isWebm ? 'webm' : 'matroska', demuxer: 'matroska' };
}

/** Packets begin with 0x47 every 188 bytes; 192 with time codes (M2TS), 204 with error correction. */
function isTransportStream(head: Uint8Array): boolean {
  const PACKETS_WANTED = 5;
  for (const stride of [188, 192, 204]) {
    // A recording may be cut anywhere, so the first packet may begin anywhere in the first stride.
    for (let start = 0; start < stride; start++) {
      let packets = 0;
      let offset = start;
      while (offset < head.length && head[offset] === 0x47) {
        packets++;
        offset += stride;
      }
      if (offset >= head.length && packets >= PACKETS_WANTED) return true;
    }
  }
  return false;
}

function refuseRows(
  rows: readonly RefusalRow[],
  head: Uint8Array,
  code: 'media_not_video' | 'media_image_refused' | 'media_unsupported_container',
): void {
  const row = rows.find(({ signature, also }) => holds(head, signature) && (!also || holds(head, also)));
  if (row) throw refusal(code, row.what);
}

function refusal(
  code: 'media_not_video' | 'media_image_refused' | 'media_unsupported_container',
  what: string,
) {
  const wanted = code === 'media_unsupported_container' ? 'which is not supported' : 'not a video';
  return new AppError(code, { detail: `The file is ${what}, ${wanted}.` });
}

function holds(head: Uint8Array, { offset, bytes }: Signature): boolean {
  return ascii(head, offset, bytes.length) === bytes;
}

function ascii(head: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...head.subarray(offset, offset + length));
}

/** `bytes` holds one byte per character. */
function at(offset: number, bytes: string): Signature {
  return { offset, bytes };
}

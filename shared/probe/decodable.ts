// What we decode. Supporting one more codec is one more row; whatever is not here is refused before a byte of
// it is decoded.

/** ffmpeg's names of decoders (`ffmpeg -decoders`). */
export const VIDEO_DECODERS = [
  'h264',
  'hevc',
  'libdav1d',
  'vp8',
  'vp9',
  'mpeg1video',
  'mpeg2video',
  'mpeg4',
  'msmpeg4v2',
  'msmpeg4',
  'h263',
  'flv',
  'prores',
  'dnxhd',
  'mjpeg',
  'theora',
  'wmv1',
  'wmv2',
  'wmv3',
  'vc1',
] as const;

export const AUDIO_DECODERS = [
  'aac',
  'aac_latm',
  'mp3float',
  'mp3',
  'mp2float',
  'mp2',
  'ac3',
  'eac3',
  'dca',
  'vorbis',
  'opus',
  'flac',
  'alac',
  'amrnb',
  'amrwb',
  'wmav1',
  'wmav2',
  'wmapro',
  'pcm_alaw',
  'pcm_mulaw',
  'pcm_u8',
  'pcm_s8',
  'pcm_s16le',
  'pcm_s16be',
  'pcm_s24le',
  'pcm_s24be',
  'pcm_s32le',
  'pcm_s32be',
  'pcm_f32le',
  'pcm_f32be',
  'pcm_bluray',
  'adpcm_ima_qt',
  'adpcm_ima_wav',
  'adpcm_ms',
] as const;

/** ffprobe names codecs, the rows name decoders; most names are the same. */
const DECODERS: Record<string, string> = {
  av1: 'libdav1d',
  msmpeg4v3: 'msmpeg4',
  flv1: 'flv',
  dts: 'dca',
  amr_nb: 'amrnb',
  amr_wb: 'amrwb',
};

const DECODABLE = new Set<string>([...VIDEO_DECODERS, ...AUDIO_DECODERS]);

/** Whether there is a decoder for ffprobe's `codec_name`. */
export function isDecodable(codecName: string | undefined): boolean {
  return codecName !== undefined && DECODABLE.has(DECODERS[codecName] ?? codecName);
}

// ffprobe names codecs, the allow-list names decoders; most names are the same.
import { DECODER_ALLOWLIST } from '../ffmpeg/allowlist.ts';

const DECODERS: Record<string, string> = {
  av1: 'libdav1d',
  msmpeg4v3: 'msmpeg4',
  flv1: 'flv',
  dts: 'dca',
  amr_nb: 'amrnb',
  amr_wb: 'amrwb',
};

/** Whether a decoder for ffprobe's `codec_name` is on the allow-list. */
export function isDecodable(codecName: string | undefined): boolean {
  return codecName !== undefined && DECODER_ALLOWLIST.split(',').includes(DECODERS[codecName] ?? codecName);
}

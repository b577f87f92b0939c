// Decoders ffmpeg may open, by ffmpeg's own names.
import { AUDIO_DECODERS, VIDEO_DECODERS } from '../../shared/probe/decodable.ts';

/** Value of ffmpeg's `-codec_whitelist`. */
export const DECODER_ALLOWLIST = [...VIDEO_DECODERS, ...AUDIO_DECODERS].join(',');

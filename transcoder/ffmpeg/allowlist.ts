// Decoders ffmpeg may open, by ffmpeg's own names.
import { AUDIO_DECODERS, VIDEO_DECODERS } from '../../shared/probe/decodable.ts';

/** Value of ffmpeg's `-codec_whitelist`. */
export const DECODER_ALLOWLIST = [...VIDEO_DECODERS, ...AUDIO_DECODERS].join(',');

/**
 * Beside those, for who reads subtitles, and for ffprobe: it opens a decoder for every stream, also for text it
 * is not asked about, and gives up where it may not.
 */
export const TEXT_DECODERS = 'ass,ssa,subrip,srt,mov_text,text,webvtt';

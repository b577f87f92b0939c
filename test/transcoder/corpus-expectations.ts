// The corpus of real and hostile files, and every verdict that is meant.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ErrorCode } from '../../shared/errors.ts';
import { CORPUS } from '../support/media.ts';

export type CorpusFile = {
  file: string;
  expected: { outcome: 'transcodes' | 'rejected' | 'either' };
  ffprobe: {
    duration_s: number | null;
    video?: { fps_avg: number | null; rotation?: number }[];
    audio?: { start_time_s: number }[];
    display_size: string | null;
    variable_frame_rate: boolean | null;
    decode_test?: { video_frames_decoded?: number };
  };
};

export function readCorpus(): CorpusFile[] {
  if (!CORPUS) return [];
  const { files, hostile } = JSON.parse(readFileSync(join(CORPUS, 'manifest.json'), 'utf8'));
  return [
    ...files,
    ...hostile.map((entry: CorpusFile) => ({
      ...entry,
      file: `hostile/${entry.file.split('/').at(-1)}`,
    })),
  ];
}

/** Every refusal, by name: a change of verdict must be meant. */
export const REFUSALS: Record<string, ErrorCode> = {
  'audio-only.mp4': 'media_no_video_stream',
  'encrypted-cenc.mp4': 'media_encrypted',
  'header-without-data.mp4': 'media_truncated',
  'chunk-out-of-range.mp4': 'media_malformed',
  'vp9-invalid-12336x12336.webm': 'media_truncated',
  'hostile/hls-file-etc-passwd.mp4': 'media_playlist_refused',
  'hostile/hls-http-metadata-service.mp4': 'media_playlist_refused',
  'hostile/hls-key-file-url.mp4': 'media_playlist_refused',
  'hostile/ffconcat-neighbour.mp4': 'media_playlist_refused',
  'hostile/ffconcat-etc-passwd.mp4': 'media_playlist_refused',
  'hostile/dash-http-loopback.mp4': 'media_playlist_refused',
  'hostile/sdp-loopback.mov': 'media_playlist_refused',
  'hostile/smil-asx.asf': 'media_playlist_refused',
  'hostile/jpeg-as.mp4': 'media_image_refused',
  'hostile/svg-script.mp4': 'media_image_refused',
  'hostile/zip-bomb.mp4': 'media_not_video',
  'hostile/ass-subtitles.mp4': 'media_not_video',
  'hostile/zero-bytes.mp4': 'media_not_video',
  'hostile/random-64k.mp4': 'media_not_video',
  'hostile/declared-65535x65535.mp4': 'media_invalid_dimensions',
  'hostile/zero-by-zero.mov': 'media_unsupported_codec',
  'hostile/real-16x16384.mp4': 'media_too_large',
  'hostile/duration-1e9-seconds.mp4': 'media_too_long',
  'hostile/one-million-fps.mp4': 'media_frame_rate_too_high',
  'hostile/dref-file-etc-passwd.mp4': 'media_external_reference',
  'hostile/dref-alias-etc-passwd.mov': 'media_external_reference',
  'hostile/500-tracks.mkv': 'media_too_many_streams',
  'hostile/truncated-mdat.mp4': 'media_truncated',
  'hostile/moov-missing.mp4': 'media_malformed',
  'hostile/moov-nested-4000.mp4': 'media_malformed',
  'hostile/box-size-zero-loop.mp4': 'media_malformed',
  'hostile/ebml-unknown-size-loop.mkv': 'media_no_video_stream',
};

/**
 * Pictures the index promises and only decoding shows to be missing, such as a damaged one. The encoder holds the last picture for up to a quarter of a second, and fails beyond that.
 */
export const LOST_IN_DECODING: Record<string, number> = {
  'corrupted-decord.mp4': 1,
};

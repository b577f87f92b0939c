// What would happen to a file, asked for with its first and last bytes before one of them is uploaded.
import { PREFLIGHT_PIECE_BYTES } from '../../../shared/limits.ts';
import type { PreflightAnswer } from '../../../shared/preflight-answer.ts';
import { api } from '../api.ts';
import { clockText } from '../ui/amounts.ts';

export function preflight(file: Blob): Promise<PreflightAnswer> {
  const head = file.slice(0, PREFLIGHT_PIECE_BYTES);
  const tail = file.slice(Math.max(head.size, file.size - PREFLIGHT_PIECE_BYTES));
  return api('POST', `/v1/preflight?sizeBytes=${file.size}`, new Blob([head, tail]));
}

/** What the file is: "MP4 · H.264 · 1920×1080 · 3:07". */
export function whatItIs(answer: PreflightAnswer): string {
  const { container, videoCodec, width, height, durationSeconds, isHdr } = answer;
  return [
    container?.toUpperCase(),
    videoCodec && (CODECS[videoCodec] ?? videoCodec.toUpperCase()),
    width && height && `${width}×${height}`,
    isHdr && 'HDR',
    durationSeconds !== undefined && clockText(durationSeconds),
  ]
    .filter(Boolean)
    .join(' · ');
}

/** What will be made of it. */
export function whatWillBe(answer: PreflightAnswer): string {
  const { instant, ladder } = answer;
  const rungs = ladder.map(({ name }) => name).join(', ');
  return [
    rungs && `Will be made: ${rungs}.`,
    instant === 'yes' && 'Plays as soon as it is uploaded.',
    instant === 'likely' && 'Will most likely play as soon as it is uploaded.',
  ]
    .filter(Boolean)
    .join(' ');
}

const CODECS: Record<string, string> = {
  h264: 'H.264',
  hevc: 'HEVC',
  av1: 'AV1',
  vp9: 'VP9',
  vp8: 'VP8',
  prores: 'ProRes',
  mpeg4: 'MPEG-4',
  mpeg2video: 'MPEG-2',
};

// Reads ffmpeg's last words: is the file at fault? Only what can never go better with the same bytes counts.
import { AppError, type ErrorCode } from '../../shared/errors.ts';
import { FfmpegError } from './ffmpeg-error.ts';

/** ffmpeg's own verdict that more than two thirds of the pictures could not be decoded. */
const TOO_MANY_DECODE_ERRORS = 69;

const VERDICTS: readonly { pattern: RegExp; code: ErrorCode; detail: string }[] = [
  {
    pattern: /Error while opening decoder|Decoder .* not found/,
    code: 'media_unsupported_codec',
    detail: 'A stream of the file is coded in a way that cannot be decoded here.',
  },
  {
    pattern: /Cannot determine format of input stream/,
    code: 'media_truncated',
    detail: 'The file describes a stream but holds none of its pictures or sound where they should be.',
  },
  {
    pattern: /Invalid data found when processing input/,
    code: 'media_malformed',
    detail: 'The file is damaged: its data cannot be read.',
  },
];

/** The AppError that says what is wrong with the file, or the error itself where the file may well be fine. */
export function verdictOn(error: unknown): unknown {
  if (!(error instanceof FfmpegError) || error.isAborted || error.isResources) return error;
  if (error.exitCode === TOO_MANY_DECODE_ERRORS) {
    const detail = 'The file is damaged: most of it cannot be decoded.';
    return new AppError('media_malformed', { detail, cause: error });
  }
  const verdict = VERDICTS.find(({ pattern }) => error.stderrTail.some((line) => pattern.test(line)));
  return verdict ? new AppError(verdict.code, { detail: verdict.detail, cause: error }) : error;
}

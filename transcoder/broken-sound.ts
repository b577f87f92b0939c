// Sound that cannot be had, beside pictures that can: whether a failed attempt is the track's own fault, and what
// its owner is told. Trouble with the lease, the storage or the machine is never the track's fault.
import { type AppError, isMediaError } from '../shared/errors.ts';
import type { Warning } from '../shared/warnings.ts';
import { FfmpegError } from './ffmpeg/ffmpeg-error.ts';
import type { TaskContext } from './task-context.ts';

/** A decoder that dies so dies again on the same bytes. SIGKILL and SIGTERM come from outside. */
const CRASHES: readonly NodeJS.Signals[] = ['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL'];
const GENERAL_FAILURE = 1;
/** ffmpeg's words for a decoder or a filter that has no use for what it is given. */
const NO_USE =
  /Error while (decoding|filtering)|Error (re)?initializing (complex )?filters|Error opening decoder/;

/** ffmpeg says so of every packet it could not decode, and goes on. */
const LOST_PACKET = /Error while decoding stream/;

export function isBrokenSound(
  error: unknown,
  { signal, source }: Pick<TaskContext, 'signal' | 'source'>,
): boolean {
  if (signal.aborted || source.failure !== undefined) return false;
  if (isVerdict(error)) return true;
  if (!(error instanceof FfmpegError) || error.isAborted || error.isTimeout || error.isOutOfMemory)
    return false;
  if (error.signal !== null) return CRASHES.includes(error.signal);
  return error.exitCode === GENERAL_FAILURE && error.stderrTail.some((line) => NO_USE.test(line));
}

/** Too long is no damage. */
function isVerdict(error: unknown): boolean {
  const code = (error as AppError | undefined)?.code;
  return code !== undefined && code !== 'media_too_long' && isMediaError(code);
}

export function isDamaged(complaints: readonly string[]): boolean {
  return complaints.some((line) => LOST_PACKET.test(line));
}

export function soundDropped(label: string): Warning {
  return {
    code: 'audio_track_dropped',
    detail: `The audio track "${label}" was left out: no sound of it can be decoded.`,
  };
}

export function soundCut(label: string, seconds: number): Warning {
  return {
    code: 'audio_track_cut',
    detail: `The audio track "${label}" ends after ${seconds.toFixed(1)} seconds: the rest cannot be decoded.`,
  };
}

export function soundDamaged(label: string): Warning {
  return {
    code: 'audio_track_damaged',
    detail: `The audio track "${label}" is damaged: what cannot be decoded of it is silent.`,
  };
}

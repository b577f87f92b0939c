// From whatever a task threw to what the ledger is told: whose fault it is, and a sentence without secrets.
import { AppError, type ErrorCode, isMediaError } from '../shared/errors.ts';
import type { TaskFailure } from '../shared/messages.ts';
import { FfmpegError } from './ffmpeg/ffmpeg-error.ts';
import { DiskTooSmall } from './scratch.ts';

const NO_SPACE = /No space left on device/;

/**
 * @param sourceFailure a failed read of the source, if there was one. It outranks the rest: to ffmpeg an
 * outage of the storage looks like a damaged file, and a verdict on the file is final.
 */
export function describeFailure(error: unknown, sourceFailure: unknown): TaskFailure {
  return describe(sourceFailure ?? error);
}

function describe(error: unknown): TaskFailure {
  if (isDiskFull(error)) return { code: 'encode_resources', kind: 'retryable', detail: diskDetail(error) };
  const appError = causeOf(error, AppError);
  const ffmpegError = causeOf(error, FfmpegError);
  const isVerdict = appError !== undefined && isMediaError(appError.code);
  if (ffmpegError?.isResources && !isVerdict) {
    return { code: 'encode_resources', kind: 'resources', detail: resourcesDetail(ffmpegError) };
  }
  if (appError) return ofAppError(appError);
  if (ffmpegError) {
    const detail = `The encoder stopped with code ${ffmpegError.exitCode ?? 'unknown'}.`;
    return { code: 'encode_failed', kind: 'retryable', detail };
  }
  return { code: 'internal', kind: 'retryable', detail: 'Something unexpected stopped the transcoder.' };
}

function ofAppError({ code, detail }: AppError): TaskFailure {
  const kind = isSourceAtFault(code) ? 'media' : code === 'encode_resources' ? 'resources' : 'retryable';
  return { code, kind, detail: detail.slice(0, 4000) };
}

const IMPORT_ENDINGS: ReadonlySet<ErrorCode> = new Set([
  'upload_empty',
  'quota_exceeded',
  'daily_quota_exceeded',
]);

function isSourceAtFault(code: ErrorCode): boolean {
  if (isMediaError(code) || code === 'source_changed' || code === 'upload_checksum_mismatch') return true;
  // An import makes its own further attempts before it says how it ended; a full quota is no less final.
  return code.startsWith('import_') || IMPORT_ENDINGS.has(code);
}

function resourcesDetail(error: FfmpegError): string {
  if (error.breach !== undefined) return `The encoder ${error.breach}.`;
  if (error.isOutOfMemory) return 'The encoder needed more memory than there is for it.';
  return `The encoder was ended by ${error.signal}.`;
}

/** Not counted like a lack of memory: the same task may find room elsewhere, or here a little later. */
function isDiskFull(error: unknown): boolean {
  if (error instanceof DiskTooSmall) return true;
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOSPC') return true;
  return causeOf(error, FfmpegError)?.stderrTail.some((line) => NO_SPACE.test(line)) ?? false;
}

function diskDetail(error: unknown): string {
  return error instanceof DiskTooSmall ? error.message : "The transcoder's disk is full.";
}

/** The first of its kind on the chain of causes. */
function causeOf<T extends Error>(error: unknown, kind: abstract new (...args: never[]) => T): T | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof kind) return at;
  }
  return undefined;
}

// Questions to ffprobe about a source, hardened as every read is, and its refusals in words for a person.
import { AppError, type ErrorCode } from '../../shared/errors.ts';
import { HOUR_SECONDS } from '../../shared/limits.ts';
import { DECODER_ALLOWLIST, TEXT_DECODERS } from '../ffmpeg/allowlist.ts';
import { inputOptions } from '../ffmpeg/args.ts';
import { FfmpegError, type ProbeRun, type RunLimits, runFfprobe } from '../ffmpeg/run.ts';
import type { Source } from '../source.ts';

export type Probe = {
  source: Pick<Source, 'url' | 'sizeBytes' | 'read' | 'failure'>;
  demuxer: string;
  run: { directory: string; limits: RunLimits; signal: AbortSignal };
};

const NOT_ALLOWED = /not on whitelist/;
/** A walk over a terabyte without an index, at 50 MB/s. */
const WALL_SECONDS = 6 * HOUR_SECONDS;

/**
 * What ffprobe prints, or nothing where `onOutput` takes it. Attempts that fail have printed nothing.
 *
 * @throws AppError with a `media_` code where it refuses the file, whatever the source failed with where that
 * is the reason, else FfmpegError.
 */
export async function askFfprobe(
  probe: Probe,
  questions: string[],
  onOutput?: ProbeRun['onOutput'],
): Promise<string> {
  const { source } = probe;
  const wallSeconds = Math.min(probe.run.limits.wallSeconds, WALL_SECONDS);
  const limits = { ...probe.run.limits, wallSeconds };
  const run = { ...probe.run, limits, ...(onOutput && { onOutput }) };
  const hardened = inputOptions({ url: source.url, demuxer: probe.demuxer });
  const listAt = hardened.indexOf(DECODER_ALLOWLIST);
  const ask = async (options: string[]) => {
    const answer = await runFfprobe(['-v', 'error', ...options, ...questions], source.url, run);
    // To the tool a source that cannot be read any further ends there, and it is content.
    if (source.failure !== undefined) throw source.failure;
    return answer;
  };
  try {
    return await ask(hardened.with(listAt, `${DECODER_ALLOWLIST},${TEXT_DECODERS}`));
  } catch (error) {
    if (!isVerdict(error) || !error.stderrTail.some((line) => NOT_ALLOWED.test(line)))
      throw verdict(error, source);
  }
  // Some stream, perhaps one that nobody wants, has a decoder that is not on the list: ask again with decoding
  // switched off altogether, so that no decoder is given a byte.
  const blind = [...hardened.toSpliced(listAt - 1, 2), '-nofind_stream_info'];
  return ask(blind).catch((error: unknown) => Promise.reject(verdict(error, source)));
}

/** A tool that ran and said no has judged the file; one that died or was stopped has not. */
function isVerdict(error: unknown): error is FfmpegError {
  return error instanceof FfmpegError && !error.isResources && !error.isAborted && error.exitCode === 1;
}

function verdict(error: unknown, source: Probe['source']): unknown {
  // The tool only saw an input that stopped; the file is not at fault when storage was.
  if (source.failure !== undefined) return source.failure;
  if (!isVerdict(error)) return error;
  const row = VERDICTS.find(({ pattern }) => error.stderrTail.some((line) => pattern.test(line)));
  return new AppError(row?.code ?? 'media_malformed', {
    detail: row?.detail ?? 'The file is damaged; it cannot be opened as a video.',
    cause: error,
  });
}

const VERDICTS: { pattern: RegExp; code: ErrorCode; detail: string }[] = [
  {
    pattern: /exceeds max_streams/,
    code: 'media_too_many_streams',
    detail: 'The file has more than 1000 streams.',
  },
];

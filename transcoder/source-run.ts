// One whole run of ffmpeg over a task's source, judged.
import { type FfmpegCommand, startFfmpeg } from './ffmpeg/run.ts';
import { verdictOn } from './ffmpeg/verdict.ts';
import type { TaskContext } from './task-context.ts';

/**
 * What the command writes goes to the task's directory.
 *
 * @throws AppError with a media_ code where the file is at fault, FfmpegError where ffmpeg failed otherwise, and
 * whatever kept the source from being read to its end.
 */
export async function runOverSource(context: TaskContext, command: FfmpegCommand): Promise<void> {
  const { scratch, limits, signal, source } = context;
  try {
    await startFfmpeg(command, { directory: scratch.directory, limits, signal }).done;
  } catch (error) {
    signal.throwIfAborted();
    throw source.failure ?? verdictOn(error);
  }
  if (source.failure !== undefined) throw source.failure;
}

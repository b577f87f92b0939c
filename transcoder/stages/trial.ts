// A taste of the ladder before it is planned for good: a few pictures here and there through the very command of the
// chunks. Where two neighbouring rungs come out alike, the lower one is not made. A trial that fails costs nothing
// but what it might have saved.
import { errorFields } from '../../shared/log.ts';
import { ladderAlone, type Plan, type PlannedRendition } from '../../shared/plan.ts';
import { framesPerSecond } from '../../shared/timeline.ts';
import { averageBpsOf, pruneRungs, type Trial } from '../../shared/trial.ts';
import { type TrialWindow, trialWindows } from '../../shared/trial-windows.ts';
import { chunkCommand } from '../ffmpeg/args.ts';
import { startFfmpeg } from '../ffmpeg/run.ts';
import { GrowingFile } from '../isobmff/growing-file.ts';
import type { TaskContext } from '../task-context.ts';

type TrialContext = Pick<TaskContext, 'source' | 'scratch' | 'limits' | 'signal' | 'threads' | 'log'>;

/** Longer than any honest trial takes. */
const WALL_SECONDS = 60;

/**
 * What a trial says of the plan's ladder; undefined where none is worth making, or it failed.
 *
 * @param keyFrameSeconds of the source; without them every window would be decoded from the start of the file.
 */
export async function tryLadder(
  context: TrialContext,
  planned: Plan,
  keyFrameSeconds: readonly number[] | undefined,
): Promise<Trial | undefined> {
  const plan = ladderAlone(planned);
  const windows = plan.source.isSeekable ? trialWindows(plan, keyFrameSeconds ?? []) : [];
  if (windows.length === 0) return undefined;
  try {
    const sizes: number[][][] = []; // by window, rung, picture
    for (const window of windows) sizes.push(await tryWindow(context, plan, window));
    const averageBps = plan.renditions.map((_, rung) =>
      averageBpsOf(
        sizes.map((window) => window[rung] ?? []),
        plan.gopFrames,
        framesPerSecond(plan.fps),
      ),
    );
    const isKept = pruneRungs(averageBps);
    const rungs = plan.renditions.map(({ name, maxBitrateBps }, rung) => ({
      ...{ name, maxBitrateBps },
      averageBps: averageBps[rung]!,
      isKept: isKept[rung]!,
    }));
    context.log.info('plan.tried', { rungs });
    return { windows, rungs };
  } catch (error) {
    context.signal.throwIfAborted();
    context.log.warn('plan.trial_failed', errorFields(error));
    return undefined;
  }
}

/** Picture sizes of each rung, smallest rung first. */
async function tryWindow(
  { source, scratch, limits, signal, threads }: TrialContext,
  plan: Plan,
  { firstFrame, frames }: TrialWindow,
): Promise<number[][]> {
  const path = ({ name }: PlannedRendition) => scratch.path(`trial-${name}-${firstFrame}.mp4`);
  const run = { firstFrame, endFrame: firstFrame + frames };
  await startFfmpeg(chunkCommand(plan, { url: source.url, threads }, run, path), {
    directory: scratch.directory,
    limits: { ...limits, wallSeconds: Math.min(limits.wallSeconds, WALL_SECONDS) },
    signal,
  }).done;
  return Promise.all(plan.renditions.map((rendition) => pictureSizes(path(rendition))));
}

async function pictureSizes(path: string): Promise<number[]> {
  await using file = new GrowingFile(path, { hasEnded: true });
  const sizes: number[] = [];
  for await (const { facts } of file.fragments())
    sizes.push(...facts.samples.map(({ sizeBytes }) => sizeBytes));
  if (sizes.length === 0) throw new Error('the trial made no pictures');
  return sizes;
}

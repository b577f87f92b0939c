// Takes the subtitles out of a source. They are a courtesy: whatever is wrong with one is said, and the video goes
// on without it. Only storage that fails is worth another attempt.
import { readFile, stat } from 'node:fs/promises';
import { AppError } from '../../shared/errors.ts';
import { errorFields } from '../../shared/log.ts';
import type { TextFacts } from '../../shared/messages.ts';
import type { Plan, PlannedSubtitle } from '../../shared/plan.ts';
import { decodeText } from '../../shared/text-decoding.ts';
import { frameSeconds } from '../../shared/timeline.ts';
import type { Warning } from '../../shared/warnings.ts';
import { parseSubtitles, writeWebVtt } from '../../shared/webvtt.ts';
import { FfmpegError, startFfmpeg } from '../ffmpeg/run.ts';
import { MAX_TEXT_BYTES, TEXT_SHIFT_SECONDS, textCommand } from '../ffmpeg/text-args.ts';
import type { TaskContext } from '../task-context.ts';

type Taken = { name: string; vtt: string };

/** Every subtitle track of the plan that shows anything. */
export async function extractSubtitles(context: TaskContext, plan: Plan): Promise<TextFacts> {
  const planned = plan.subtitles ?? [];
  const readable = (await isTakenOut(context, plan, planned))
    ? planned
    : await takenOutAlone(context, plan, planned);
  const tracks: Taken[] = [];
  const warnings: Warning[] = [];
  for (const subtitle of planned) {
    const vtt = readable.includes(subtitle) ? await webVttOf(context, plan, subtitle) : undefined;
    if (vtt !== undefined) tracks.push({ name: subtitle.name, vtt });
    else
      warnings.push({
        code: 'subtitle_track_dropped',
        detail: `The subtitles "${subtitle.label}" were left out: they cannot be read or show nothing.`,
      });
  }
  return { version: 1, tracks, warnings };
}

/** One damaged track must not cost the others theirs. */
async function takenOutAlone(
  context: TaskContext,
  plan: Plan,
  planned: readonly PlannedSubtitle[],
): Promise<PlannedSubtitle[]> {
  if (planned.length < 2) return [];
  const readable: PlannedSubtitle[] = [];
  for (const subtitle of planned) {
    if (await isTakenOut(context, plan, [subtitle])) readable.push(subtitle);
  }
  return readable;
}

async function isTakenOut(
  context: TaskContext,
  plan: Plan,
  subtitles: readonly PlannedSubtitle[],
): Promise<boolean> {
  const { scratch, limits, signal, source, log } = context;
  const command = textCommand(plan, { url: source.url, threads: 1 }, subtitles, (subtitle) =>
    textPath(context, subtitle),
  );
  try {
    // Where nobody speaks nothing is written, however long: the wall limit is the only one.
    await startFfmpeg(command, {
      directory: scratch.directory,
      limits,
      signal,
      stallSeconds: limits.wallSeconds,
    }).done;
  } catch (error) {
    signal.throwIfAborted();
    if (source.failure !== undefined) throw source.failure;
    if (!(error instanceof FfmpegError)) throw error;
    log.warn('subtitles.unreadable', { tracks: subtitles.length, ...errorFields(error) });
    return false;
  }
  if (source.failure !== undefined) throw source.failure;
  return true;
}

async function webVttOf(
  context: TaskContext,
  plan: Plan,
  subtitle: PlannedSubtitle,
): Promise<string | undefined> {
  const path = textPath(context, subtitle);
  const { size } = await stat(path);
  if (size >= MAX_TEXT_BYTES) return undefined;
  try {
    const shiftMs = TEXT_SHIFT_SECONDS * 1000;
    const cues = parseSubtitles(decodeText(await readFile(path))).map((cue) => ({
      ...cue,
      startMs: Math.max(0, cue.startMs - shiftMs),
      endMs: cue.endMs - shiftMs,
    }));
    return writeWebVtt(cues, frameSeconds(plan.totalFrames, plan.fps));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    context.log.warn('subtitles.left_out', { track: subtitle.name, ...errorFields(error) });
    return undefined;
  }
}

function textPath({ scratch }: TaskContext, { name }: PlannedSubtitle): string {
  return scratch.path(`subtitles-${name}.vtt`);
}

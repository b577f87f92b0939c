// How much louder or quieter a track must become.
import { open } from 'node:fs/promises';
import { KIB } from '../shared/limits.ts';
import type { Plan, PlannedAudio } from '../shared/plan.ts';
import { loudnessCommand } from './ffmpeg/loudness-args.ts';
import { runOverSource } from './source-run.ts';
import type { TaskContext } from './task-context.ts';

/** Quieter than this is silence with some noise; nobody wants that noise. */
const SILENCE_LUFS = -60;
const MAX_GAIN_DB = 30;

/**
 * Undefined where the plan leaves loudness alone, or there is nothing but silence.
 *
 * @throws AppError with a media_ code where the file is at fault, FfmpegError where ffmpeg failed otherwise.
 */
export async function loudnessGainDb(
  context: TaskContext,
  plan: Plan,
  audio: PlannedAudio,
): Promise<number | undefined> {
  if (plan.loudnessLufs === undefined) return undefined;
  const { scratch, source } = context;
  const fileName = `loudness-${audio.name}.txt`;
  const command = loudnessCommand(plan, audio, { url: source.url, threads: 1 }, fileName);
  await runOverSource(context, command);
  const measured = await lastValue(scratch.path(fileName));
  if (measured === undefined || measured < SILENCE_LUFS) return undefined;
  return Math.max(-MAX_GAIN_DB, Math.min(MAX_GAIN_DB, plan.loudnessLufs - measured));
}

/** Of lines `lavfi.r128.I=-23.4`; a film has hundreds of thousands of them. */
async function lastValue(path: string): Promise<number | undefined> {
  await using file = await open(path);
  const { size } = await file.stat();
  const tail = Buffer.alloc(Math.min(size, 4 * KIB));
  await file.read(tail, 0, tail.length, size - tail.length);
  const found = [...tail.toString('latin1').matchAll(/lavfi\.r128\.I=(-?[\d.]+)\n/g)].at(-1)?.[1];
  return found === undefined ? undefined : Number(found);
}

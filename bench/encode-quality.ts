// Capped CRF against the same ladder at fixed bitrates (ABR at the row's rate), on natural clips: bytes, and likeness
// to the source at each rung's size.
import { readFile, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Plan } from '../shared/plan.ts';
import { sizeCapacity, thisMachine } from '../transcoder/capacity.ts';
import { chunkCommand } from '../transcoder/ffmpeg/args.ts';
import { type FfmpegCommand, startFfmpeg } from '../transcoder/ffmpeg/run.ts';
import { readSsimStats, ssimCommand } from '../transcoder/ffmpeg/ssim-args.ts';
import { planOf } from './encode-ways.ts';

/** Every third picture tells a clip's likeness to the fourth digit at a third of the price. */
const EVERY_FRAMES = 3;

export type RungComparison = { clip: string; rung: string; ours: Measured; fixed: Measured };
type Measured = { sizeBytes: number; ssim: number };

export async function compareClip(clip: string, folder: string): Promise<RungComparison[]> {
  const plan = await planOf(clip);
  const ours = await measure(clip, plan, folder);
  const fixed = await measure(clip, plan, folder, (command) => atFixedBitrate(command, plan));
  return plan.renditions.map(({ name }, index) => ({
    ...{ clip: basename(clip), rung: name },
    ...{ ours: ours[index]!, fixed: fixed[index]! },
  }));
}

/** What every rendition of the plan comes to. */
export async function measure(
  clip: string,
  plan: Plan,
  folder: string,
  change: (command: FfmpegCommand) => FfmpegCommand = (command) => command,
): Promise<Measured[]> {
  const { threads, limits } = sizeCapacity(thisMachine());
  const input = { url: clip, threads };
  const film = { firstFrame: 0, endFrame: plan.totalFrames };
  const pathOf = ({ name }: { name: string }) => join(folder, `${name}.mp4`);
  const run = { directory: folder, limits };
  await startFfmpeg(change(chunkCommand(plan, input, film, pathOf)), run).done;
  const rungs = plan.renditions.map((rendition) => ({
    ...{ rendition, path: pathOf(rendition), statsName: `${rendition.name}.log` },
  }));
  await startFfmpeg(ssimCommand(plan, input, film, EVERY_FRAMES, rungs), run).done;
  const measured: Measured[] = [];
  for (const { path, statsName } of rungs) {
    const values = readSsimStats(await readFile(join(folder, statsName), 'utf8'));
    const ssim = values.reduce((sum, value) => sum + value, 0) / values.length;
    measured.push({ sizeBytes: (await stat(path)).size, ssim });
    await Promise.all([rm(path), rm(join(folder, statsName))]);
  }
  return measured;
}

/** Average bitrate at the row's rate, held by the same buffer; everything else the same. */
function atFixedBitrate(command: FfmpegCommand, plan: Plan): FfmpegCommand {
  return {
    ...command,
    outputs: command.outputs.map((output, index) => {
      const rate = String(plan.renditions[index]!.maxBitrateBps);
      const at = output.options.indexOf('-crf');
      return { ...output, options: output.options.toSpliced(at, 2, '-b:v', rate) };
    }),
  };
}

// The rungs of other encoders against the ladder's top rung, at the same size, preset and cap: bytes, likeness to the
// source, and what a bare ffmpeg takes for each.
import { basename } from 'node:path';
import { ExtraEncoder } from '../shared/encoder.ts';
import type { Plan, PlannedRendition } from '../shared/plan.ts';
import { measure } from './encode-quality.ts';
import { planOf, runBare } from './encode-ways.ts';

/** `ssimGain` is above 0 where it is more like the source than H.264. */
export type CodecComparison = {
  clip: string;
  rung: string;
  bytesRatio: number;
  ssimGain: number;
  cpuRatio: number;
};

export async function compareCodecs(clip: string, folder: string): Promise<CodecComparison[]> {
  const { renditions } = await planOf(clip);
  const { height, width, maxBitrateBps } = renditions.at(-1)!;
  const row = { shortSidePixels: Math.min(width, height), maxBitrateBps };
  const extraRungs = ExtraEncoder.options.map((encoder) => ({ ...row, encoder }));
  const plan = await planOf(clip, { ladder: [row], extraRungs });
  const [ladder, ...others] = await measure(clip, plan, folder);
  const costOf = async (rendition: PlannedRendition) =>
    (await runBare(clip, aloneIn(plan, rendition), folder)).cpuSeconds;
  const ladderCpuSeconds = await costOf(plan.renditions[0]!);
  const compared: CodecComparison[] = [];
  for (const [index, { sizeBytes, ssim }] of others.entries()) {
    const rendition = plan.renditions[index + 1]!;
    compared.push({
      ...{ clip: basename(clip), rung: rendition.name },
      bytesRatio: sizeBytes / ladder!.sizeBytes,
      ssimGain: ssim - ladder!.ssim,
      cpuRatio: (await costOf(rendition)) / ladderCpuSeconds,
    });
  }
  return compared;
}

function aloneIn({ thumbnails: _, ...plan }: Plan, rendition: PlannedRendition): Plan {
  return { ...plan, renditions: [rendition] };
}

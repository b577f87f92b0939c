// `npm run bench -- codecs`: the rungs of other encoders against the ladder's top rung, at the same size, preset and cap:
// bytes, likeness to the source, and what a bare ffmpeg takes for each.
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ExtraEncoder } from '../shared/encoder.ts';
import { EXTRA_RUNG_SUFFIX } from '../shared/object-keys.ts';
import type { Plan, PlannedRendition } from '../shared/plan.ts';
import { CORPUS, makeFolder } from '../test/support/media.ts';
import { median } from './cpu-time.ts';
import { NATURAL } from './encode.ts';
import { measure } from './encode-quality.ts';
import { planOf, runBare } from './encode-ways.ts';

/** `ssimGain` is above 0 where it is more like the source than H.264. */
type CodecComparison = {
  clip: string;
  rung: string;
  bytesRatio: number;
  ssimGain: number;
  cpuRatio: number;
};

export async function benchCodecs(): Promise<void> {
  if (!CORPUS) {
    console.log('../shared/media is absent: nothing natural to compare on');
    return;
  }
  const folder = await makeFolder('bench-codecs');
  const all: CodecComparison[] = [];
  console.log('the top rung in other codecs, as parts or multiples of the same in H.264');
  for (const name of NATURAL) {
    for (const one of await compareCodecs(join(CORPUS, name), folder)) {
      all.push(one);
      console.log(`${one.clip.padEnd(34)} ${one.rung.padEnd(11)} ${wordsOf(one)}`);
    }
  }
  for (const suffix of Object.values(EXTRA_RUNG_SUFFIX)) {
    const rungs = all.filter(({ rung }) => rung.endsWith(suffix));
    const of = (figure: (one: CodecComparison) => number) => median(rungs.map(figure));
    const medians = {
      bytesRatio: of((one) => one.bytesRatio),
      ssimGain: of((one) => one.ssimGain),
      cpuRatio: of((one) => one.cpuRatio),
    };
    console.log(`${suffix}, medians: ${wordsOf(medians)}`);
  }
  await rm(folder, { recursive: true });
}

function wordsOf({ bytesRatio, ssimGain, cpuRatio }: Omit<CodecComparison, 'clip' | 'rung'>): string {
  return `bytes ${bytesRatio.toFixed(2)}  SSIM ${ssimGain.toFixed(4).padStart(7)}  CPU ${cpuRatio.toFixed(2)}`;
}

async function compareCodecs(clip: string, folder: string): Promise<CodecComparison[]> {
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

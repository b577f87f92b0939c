// Whether the ffmpeg of this machine has the encoders that a job wants beside H.264.
import type { ExtraEncoder } from '../../shared/encoder.ts';
import type { PlanOptions } from '../../shared/plan.ts';
import type { Warning } from '../../shared/warnings.ts';
import { ffmpegVersion } from './run.ts';

/**
 * The options without what cannot be made here, and what to say of that. Only machines with the same build of ffmpeg
 * work on a job, so the one that plans it speaks for all.
 */
export async function withEncodersHere(
  options: PlanOptions,
  version: () => Promise<string> = ffmpegVersion,
): Promise<{ options: PlanOptions; warnings: Warning[] }> {
  const wanted = [...new Set((options.extraRungs ?? []).map(({ encoder }) => encoder))];
  if (wanted.length === 0) return { options, warnings: [] };
  const text = await version();
  const missing = new Set<ExtraEncoder>(wanted.filter((encoder) => !text.includes(`--enable-${encoder}`)));
  return {
    options: {
      ...options,
      extraRungs: options.extraRungs?.filter(({ encoder }) => !missing.has(encoder)),
    },
    warnings: [...missing].map((encoder) => ({
      code: 'extra_rungs_left_out',
      detail: `The rungs of ${encoder} are missing: the ffmpeg of this transcoder was built without it.`,
    })),
  };
}

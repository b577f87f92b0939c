// The rungs of other encoders beside the H.264 ladder: fewer bytes for the players that know them, at many times the work.
import { ExtraEncoder } from './encoder.ts';
import { pickRungs, type Size } from './ladder.ts';
import { EXTRA_RUNG_SUFFIX } from './object-keys.ts';
import type { PlannedRendition, PlanOptions } from './plan.ts';
import type { Warning } from './warnings.ts';

/** Within 0.003 of the likeness (SSIM) of the ladder's own rungs, medians of natural clips (`npm run bench -- codecs`). */
const CRF: Record<ExtraEncoder, number> = { libx265: 22, libsvtav1: 30 };

type Wishes = Pick<PlanOptions, 'extraRungs' | 'protection'>;

/** Each encoder's rows picked from as the ladder's are. None of what is encrypted by samples, which is done for H.264. */
export function planExtraRungs(display: Size, { extraRungs = [], protection }: Wishes): PlannedRendition[] {
  if (protection === 'cenc') return [];
  return ExtraEncoder.options.flatMap((encoder) => {
    const rows = extraRungs.filter((row) => row.encoder === encoder);
    if (rows.length === 0) return [];
    return pickRungs(display, rows).map(({ name, width, height, maxBitrateBps }) => ({
      ...{ name: `${name}-${EXTRA_RUNG_SUFFIX[encoder]}`, width, height },
      ...{ crf: CRF[encoder], maxBitrateBps, bufferBits: 2 * maxBitrateBps, encoder },
    }));
  });
}

export function extraRungWarnings({ extraRungs = [], protection }: Wishes): Warning[] {
  if (extraRungs.length === 0 || protection !== 'cenc') return [];
  return [
    {
      code: 'extra_rungs_left_out',
      detail: 'There is H.264 alone: the pictures of other encoders are not made under cenc.',
    },
  ];
}

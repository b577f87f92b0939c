// Loudness after EBU R128: measuring a track, and the filters that bring it to a target. One gain for the whole
// track, since a filter that follows the programme (`loudnorm` in one pass) flattens it and missed its target by
// 1.3 LU where it was tried.
import type { Plan, PlannedAudio } from '../../shared/plan.ts';
import { type Input, layoutOf, sourceInput } from './args.ts';
import type { FfmpegCommand } from './run.ts';

/** -1.5 dB of full scale: lossy coding overshoots a little. */
const CEILING = 0.841;

/** Prints the loudness so far into `fileName` in the task's directory, ten times a second; the last one counts. */
export function loudnessCommand(
  plan: Plan,
  audio: PlannedAudio,
  input: Input,
  fileName: string,
): FfmpegCommand {
  const measure = [
    `aformat=channel_layouts=${layoutOf(audio)}`,
    'ebur128=metadata=1',
    `ametadata=mode=print:key=lavfi.r128.I:file=${fileName}`,
  ];
  return {
    inputs: [sourceInput(plan, { ...input, threads: 1 }, [])],
    outputs: [
      {
        options: [
          '-map',
          `0:${audio.streamIndex}`,
          '-vn',
          '-sn',
          '-dn',
          '-af',
          measure.join(','),
          '-f',
          'null',
        ],
        path: '-',
      },
    ],
  };
}

/** With a trailing comma; nothing where the sound stays as it is. */
export function gainFilters(audio: PlannedAudio, gainDb: number | undefined): string {
  if (gainDb === undefined) return '';
  const limiter = gainDb > 0 ? `alimiter=limit=${CEILING}:level=disabled:latency=enabled,` : '';
  return `aformat=channel_layouts=${layoutOf(audio)},volume=${gainDb.toFixed(2)}dB,${limiter}`;
}

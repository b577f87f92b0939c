// How like the source a stored segment looks: the source through the filters of its chunk on one side, the decoded
// segment on the other, picture by picture.
import type { Plan, PlannedRendition } from '../../shared/plan.ts';
import { type FrameRun, gridOfRun, type Input, inputOptions, runInput } from './args.ts';
import { chunkFilterGraph, everyNth } from './filters.ts';
import type { FfmpegCommand } from './run.ts';

/** Files in the run's directory: init and segment of one rung, and where its figures go. */
export type RungSample = { rendition: PlannedRendition; path: string; statsName: string };

/**
 * Compares the first `run` of pictures of a segment on several rungs, every `everyFrames`th of them.
 *
 * @param rungs of `plan.renditions`, in its order.
 */
export function ssimCommand(
  plan: Plan,
  input: Input,
  run: FrameRun,
  everyFrames: number,
  rungs: readonly RungSample[],
): FfmpegCommand {
  // Counted instead of timed: both sides have the same pictures in the same order.
  const counted = `settb=1/${plan.timescale},setpts=N`;
  const pictures = Math.ceil((run.endFrame - run.firstFrame) / everyFrames);
  const compare = rungs.flatMap(({ statsName }, index) => {
    const taken = `trim=end_frame=${run.endFrame - run.firstFrame},${everyNth(everyFrames)}`;
    return [
      `[${index + 1}:v]${taken},${counted}[d${index}]`,
      `[v${index}]trim=end_frame=${pictures},${counted}[r${index}]`,
      `[d${index}][r${index}]ssim=stats_file=${statsName}:eof_action=endall[q${index}]`,
    ];
  });
  const source = runInput(plan, input, run);
  return {
    inputs: [
      source,
      ...rungs.map(({ path }) => ({
        options: [...inputOptions({ url: path, demuxer: 'mov' }), ...['-threads', String(input.threads)]],
        url: `file:${path}`,
      })),
    ],
    filterGraph: [
      chunkFilterGraph(
        { ...plan, renditions: rungs.map(({ rendition }) => rendition) },
        { ...gridOfRun(plan, run), everyFrames },
      ),
      ...compare,
    ].join(';'),
    outputs: [
      {
        options: [...rungs.flatMap((_, index) => ['-map', `[q${index}]`]), '-f', 'null'],
        path: '/dev/null',
      },
    ],
  };
}

/** `n:1 Y:0.98 U:0.99 V:0.99 All:0.985 (18.2)` per picture. */
export function readSsimStats(text: string): number[] {
  return [...text.matchAll(/ All:([\d.]+)/g)].map(([, value]) => Number(value));
}

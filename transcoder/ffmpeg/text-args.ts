// The command line that takes subtitles out of a source, as a pure function of the plan.
import { MIB } from '../../shared/limits.ts';
import type { Plan, PlannedSubtitle } from '../../shared/plan.ts';
import { DECODER_ALLOWLIST, TEXT_DECODERS } from './allowlist.ts';
import { type Input, seconds, sourceInput } from './args.ts';
import type { FfmpegCommand } from './run.ts';

/** Half a day of talk is a tenth of it. */
export const MAX_TEXT_BYTES = 8 * MIB;

/** Added to every time: ffmpeg cannot write a cue that begins before the video does. */
export const TEXT_SHIFT_SECONDS = 3600;

/** All of these subtitles in one pass over the source, each as a WebVTT file {@link TEXT_SHIFT_SECONDS} late. */
export function textCommand(
  plan: Plan,
  input: Input,
  subtitles: readonly PlannedSubtitle[],
  outputPath: (subtitle: PlannedSubtitle) => string,
): FfmpegCommand {
  const source = sourceInput(plan, { ...input, threads: 1 }, textTimeAxis(plan));
  const options = source.options.map((option) =>
    option === DECODER_ALLOWLIST ? `${DECODER_ALLOWLIST},${TEXT_DECODERS}` : option,
  );
  return {
    inputs: [{ ...source, options }],
    outputs: subtitles.map((subtitle) => ({
      options: [
        ...['-map', `0:${subtitle.streamIndex}`, '-vn', '-an', '-dn'],
        // Copied, WebVTT keeps where its cues stand.
        ...['-c:s', subtitle.codec === 'webvtt' ? 'copy' : 'webvtt'],
        ...['-map_metadata', '-1', '-map_chapters', '-1', '-avoid_negative_ts', 'disabled'],
        ...['-fs', String(MAX_TEXT_BYTES), '-f', 'webvtt'],
      ],
      path: outputPath(subtitle),
    })),
  };
}

/** As for sound; see `sourceTimeAxis` there, whose odd microsecond the shift makes needless. */
function textTimeAxis({ source: { zeroSeconds } }: Plan): string[] {
  const shift = ['-itsoffset', seconds(TEXT_SHIFT_SECONDS - (zeroSeconds ?? 0))];
  return ['-copyts', ...(zeroSeconds === undefined ? ['-start_at_zero'] : []), ...shift];
}

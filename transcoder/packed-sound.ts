// AMR in 3GP holds several frames of 20 ms in each sample. ffmpeg 5.1 hands a sample to its decoder as one packet, of
// which that decodes the first frame alone: four fifths of a phone's recording would be silent. Copied into a file
// of AMR's own form, whose reader takes frame by frame, all of it is heard.
import type { Plan, PlannedAudio } from '../shared/plan.ts';
import { type Input, sourceInput } from './ffmpeg/args.ts';
import { runOverSource } from './source-run.ts';
import type { TaskContext } from './task-context.ts';

/** What an audio command is made of. */
export type Sound = { plan: Plan; audio: PlannedAudio; input: Input };

/**
 * The same sound in a file of the task's own, where the track is packed so.
 *
 * @throws AppError with a media_ code where the file is at fault, FfmpegError where ffmpeg failed otherwise.
 */
export async function unpacked(context: TaskContext, sound: Sound): Promise<Sound> {
  const { plan, audio, input } = sound;
  if (audio.packedFromSeconds === undefined) return sound;
  const path = context.scratch.path(`${audio.name}.amr`);
  const command = {
    inputs: [sourceInput(plan, { ...input, threads: 1 }, [])],
    outputs: [
      { options: ['-map', `0:${audio.streamIndex}`, '-vn', '-sn', '-dn', '-c:a', 'copy', '-f', 'amr'], path },
    ],
  };
  await runOverSource(context, command);
  return {
    // AMR's own form knows no times: it begins at 0, and the track when it began in the source.
    plan: { ...plan, source: { ...plan.source, demuxer: 'amr', zeroSeconds: -audio.packedFromSeconds } },
    audio: { ...audio, streamIndex: 0 },
    input: { ...input, url: path },
  };
}

// A look at a sound track that is to be taken over as it is: its beginning is decoded, and the result thrown away.
import type { Plan, PlannedAudio } from '../../shared/plan.ts';
import { type Input, sourceInput } from './args.ts';
import type { FfmpegCommand } from './run.ts';

/** Damage is seldom alone, and more than this would keep the first segment waiting. */
const CHECKED_SECONDS = 30;

export function soundCheckCommand(plan: Plan, audio: PlannedAudio, input: Input): FfmpegCommand {
  const options = ['-map', `0:${audio.streamIndex}`, '-vn', '-sn', '-dn', '-f', 'null'];
  return {
    inputs: [sourceInput(plan, { ...input, threads: 1 }, ['-t', String(CHECKED_SECONDS)])],
    outputs: [{ options, path: '-' }],
  };
}

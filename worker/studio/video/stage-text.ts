// A job's stage in words, and where it stands among all of them.
import { spanText } from '../ui/amounts.ts';

export const STEPS = [
  { name: 'Queue', stages: ['queued'] },
  { name: 'Inspect', stages: ['importing', 'planning'] },
  { name: 'Encode', stages: ['encoding'] },
  { name: 'Check and publish', stages: ['finishing'] },
] as const;

const TEXTS: Record<string, string> = {
  queued: 'Waiting for a transcoder',
  importing: 'Fetching the file',
  planning: 'Looking into the file',
  encoding: 'Encoding',
  finishing: 'Checking and publishing',
  succeeded: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

export function stageText(stage: string): string {
  return TEXTS[stage] ?? stage;
}

export function etaText(etaSeconds: number | undefined): string {
  return etaSeconds === undefined ? '' : `about ${spanText(Math.max(1, etaSeconds))} left`;
}

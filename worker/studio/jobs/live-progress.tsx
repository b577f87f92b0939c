import type { Job } from '../../../shared/api.ts';
import { Progress } from '../ui/progress.tsx';
import { etaText, stageText } from '../video/stage-text.ts';

/** How far a job is, and what it is at, as its latest event says. */
export function LiveProgress({ live }: { live: Pick<Job, 'stage' | 'progress' | 'etaSeconds'> }) {
  return (
    <Progress
      label={stageText(live.stage)}
      percent={live.progress}
      note={[etaText(live.etaSeconds), `${Math.floor(live.progress)}%`].filter(Boolean).join(' · ')}
    />
  );
}

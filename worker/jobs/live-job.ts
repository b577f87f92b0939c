// What a progress room knows of its job, and how news changes it. Pure. Nothing here ever goes back: late or
// repeated news cannot lower the percentage or revive an ended job.
import type { ApiError, JobEvent } from '../../shared/api.ts';
import { estimateEtaSeconds, type ImportDone, runningProgress } from '../../shared/progress.ts';
import { isTerminal, type JobState } from '../../shared/states.ts';

/** The ledger's word, read from D1. Chunks and the fetching of a source count as work. */
export type JobNews = {
  jobId: string;
  videoId: string;
  state: JobState;
  stage: string;
  startedAtMs?: number;
  /** Whether it can be watched while it is being made, and how often that has ended. */
  growth?: { isOpen: boolean; closed: number };
  import?: ImportDone;
  totalFrames?: number;
  chunks: Record<string, { frames: number; framesDone: number }>;
  error?: ApiError;
};

export type LiveJob = JobNews & { percent: number };

const STAGES = ['queued', 'importing', 'planning', 'encoding', 'finishing'];

/** The room's picture after hearing from the ledger. */
export function withNews(live: LiveJob | undefined, news: JobNews): LiveJob {
  if (live && isTerminal(live.state)) return live;
  const isLate = live !== undefined && !isTerminal(news.state) && rank(news.stage) < rank(live.stage);
  const chunks = { ...live?.chunks };
  for (const [name, chunk] of Object.entries(news.chunks)) {
    chunks[name] = {
      frames: chunk.frames,
      framesDone: Math.max(chunk.framesDone, chunks[name]?.framesDone ?? 0),
    };
  }
  const fetched = fetchedMost(live?.import, news.import);
  return withPercent({
    ...(isLate ? live : { ...live, ...news }),
    ...(fetched && { import: fetched }),
    ...laterGrowth(live, news),
    chunks,
    percent: live?.percent ?? 0,
  });
}

/** Word that overtook other word is known by its count; of the same count, once open is open. */
function laterGrowth(live: LiveJob | undefined, news: JobNews): Pick<JobNews, 'growth'> {
  const [before, now] = [live?.growth, news.growth];
  if (!before || !now) return { growth: now ?? before ?? { isOpen: false, closed: 0 } };
  if (now.closed !== before.closed) return { growth: now.closed > before.closed ? now : before };
  return { growth: { ...now, isOpen: before.isOpen || now.isOpen } };
}

/** Whether the job can be watched and could not be, as far as `before` knew. */
export function hasBecomePlayable(before: LiveJob | undefined, live: LiveJob): boolean {
  const wasOpen = before?.growth?.isOpen === true && before.growth.closed === live.growth?.closed;
  return isWatchable(live) && !wasOpen;
}

export function isWatchable({ growth, state }: LiveJob): boolean {
  return growth?.isOpen === true && !isTerminal(state);
}

function fetchedMost(before: ImportDone | undefined, news: ImportDone | undefined): ImportDone | undefined {
  if (!before || !news) return news ?? before;
  // A file that is begun again has a size of its own; the percentage does not fall with it.
  return { sizeBytes: news.sizeBytes, bytesDone: Math.max(before.bytesDone, news.bytesDone) };
}

/** The room's picture after a transcoder told how far a task is, in frames or, for an import, in bytes. */
export function withFrames(live: LiveJob, task: string, framesDone: number): LiveJob {
  if (task === 'import' && live.import && !isTerminal(live.state)) {
    const bytesDone = Math.max(live.import.bytesDone, framesDone);
    return withPercent({ ...live, import: { ...live.import, bytesDone } });
  }
  const chunk = live.chunks[task];
  if (!chunk || isTerminal(live.state)) return live;
  const done = Math.min(chunk.frames, Math.max(chunk.framesDone, framesDone));
  return withPercent({
    ...live,
    chunks: { ...live.chunks, [task]: { frames: chunk.frames, framesDone: done } },
  });
}

export function eventOf(live: LiveJob, type: JobEvent['type'], nowMs: number): JobEvent {
  const etaSeconds =
    live.state === 'running' && live.startedAtMs !== undefined
      ? estimateEtaSeconds(live.percent, live.startedAtMs, nowMs)
      : undefined;
  return {
    type,
    jobId: live.jobId,
    videoId: live.videoId,
    state: live.state,
    progress: live.percent,
    stage: live.stage,
    ...(etaSeconds === undefined ? {} : { etaSeconds }),
    ...(live.error ? { error: live.error } : {}),
  };
}

/** The event that says how a job ended. A cancelled job is neither ready nor failed. */
export function closingType(state: JobState): JobEvent['type'] {
  if (state === 'succeeded') return 'ready';
  return state === 'failed' ? 'failed' : 'state';
}

function withPercent(live: LiveJob): LiveJob {
  return { ...live, percent: Math.max(live.percent, currentPercent(live)) };
}

function currentPercent(live: LiveJob): number {
  if (live.state === 'succeeded') return 100;
  const framesDone = Object.fromEntries(
    Object.entries(live.chunks).map(([name, chunk]) => [name, chunk.framesDone]),
  );
  return runningProgress({ import: live.import, totalFrames: live.totalFrames, framesDone });
}

function rank(stage: string): number {
  return STAGES.indexOf(stage);
}

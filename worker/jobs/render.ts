// A job row as the API shows it.
import type { ApiError, Job } from '../../shared/api.ts';
import { PlanSummary } from '../../shared/messages.ts';
import { type ImportDone, runningProgress } from '../../shared/progress.ts';
import { Receipt } from '../../shared/receipt.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import type { JobRow } from './store.ts';

/** What only the progress room knows: finer than segments, and how long it will take. */
export type LiveProgress = { progress: number; etaSeconds?: number };

export function renderJob(row: JobRow, live?: LiveProgress): Job {
  const error = jobError(row);
  return {
    id: row.id,
    videoId: row.video_id,
    kind: row.kind,
    state: row.state,
    progress: row.state === 'succeeded' ? 100 : Math.max(durableProgress(row), live?.progress ?? 0),
    stage: stageOf(row),
    ...(row.state === 'running' && live?.etaSeconds !== undefined ? { etaSeconds: live.etaSeconds } : {}),
    tasks: taskCounts(row),
    ...(error ? { error } : {}),
    createdAt: rfc3339(row.created_at),
    ...(row.started_at === null ? {} : { startedAt: rfc3339(row.started_at) }),
    ...(row.finished_at === null ? {} : { finishedAt: rfc3339(row.finished_at) }),
    timings: timingsOf(row),
    ...(row.receipt === null ? {} : { receipt: Receipt.parse(JSON.parse(row.receipt)) }),
  };
}

/** Where a job stands, in one word: its state, or while it runs what is being done. */
export function stageOf(row: JobRow): string {
  if (row.state !== 'running') return row.state;
  if (row.import_state !== null && row.import_state !== 'done') return 'importing';
  if (row.plan === null) return 'planning';
  return row.finish_state === 'blocked' ? 'encoding' : 'finishing';
}

export function jobError(row: JobRow): ApiError | undefined {
  return row.error_code === null ? undefined : { code: row.error_code, detail: row.error_detail ?? '' };
}

/** How much of its source a job has fetched; undefined for one whose source was there before. */
export function importOf(row: JobRow): ImportDone | undefined {
  if (row.import_state === null) return undefined;
  const sizeBytes = row.import_bytes ?? 0;
  return { sizeBytes, bytesDone: row.import_state === 'done' ? sizeBytes : (row.import_bytes_done ?? 0) };
}

/** What a job's plan says of the video that it makes. */
export type PlannedVideo = Pick<PlanSummary, 'durationSeconds' | 'width' | 'height' | 'frameRate'>;

export function plannedVideo(row: JobRow): PlannedVideo | undefined {
  if (row.plan === null) return undefined;
  const { durationSeconds, width, height, frameRate } = PlanSummary.parse(JSON.parse(row.plan));
  return { durationSeconds, width, height, frameRate };
}

function durableProgress(row: JobRow): number {
  return runningProgress({
    import: importOf(row),
    totalFrames: row.total_frames ?? undefined,
    framesDone: { all: row.frames_done },
  });
}

function taskCounts(row: JobRow): { done: number; total: number } {
  if (row.pruned_at === null) return { done: row.tasks_done, total: row.tasks_total };
  // The rows are gone; the plan remembers how many there were: chunks, tracks, all text, plan and finish.
  const plan = row.plan === null ? undefined : PlanSummary.parse(JSON.parse(row.plan));
  const total = plan ? plan.chunks.length + plan.audioTracks + (plan.textTracks ? 1 : 0) + 2 : 1;
  return { done: row.state === 'succeeded' ? total : 0, total };
}

function timingsOf(row: JobRow): Record<string, number> {
  const timings: Record<string, number> = {};
  if (row.started_at !== null) timings.queuedSeconds = row.started_at - row.created_at;
  if (row.started_at !== null && row.finished_at !== null) {
    timings.runningSeconds = row.finished_at - row.started_at;
  }
  return timings;
}

// Every state a row can be in and the moves it may make. SQL guards repeat these as compare-and-set.
import { z } from 'zod';

export const UploadState = z.enum([
  'created',
  'receiving',
  'completing',
  'accepted',
  'rejected',
  'aborted',
  'expired',
]);
export type UploadState = z.infer<typeof UploadState>;

export const VideoState = z.enum([
  'created',
  'uploading',
  'processing',
  'playable',
  'ready',
  'failed',
  'deleting',
]);
export type VideoState = z.infer<typeof VideoState>;

export const JobState = z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']);
export type JobState = z.infer<typeof JobState>;

/** `blocked` waits for other tasks of its job, `ready` may be claimed; `done`, `failed` and `cancelled` are
 * final: a failed task ends its job, and the end of a job cancels what is left of it. */
export const TaskState = z.enum(['blocked', 'ready', 'running', 'done', 'failed', 'cancelled']);
export type TaskState = z.infer<typeof TaskState>;

export const TaskKind = z.enum(['import', 'plan', 'chunk', 'audio', 'finish']);
export type TaskKind = z.infer<typeof TaskKind>;

const JOB_MOVES: Record<JobState, readonly JobState[]> = {
  queued: ['running', 'failed', 'cancelled'],
  running: ['succeeded', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
};

export function isTerminal(state: JobState): boolean {
  return JOB_MOVES[state].length === 0;
}

export function mayMove(from: JobState, to: JobState): boolean {
  return JOB_MOVES[from].includes(to);
}

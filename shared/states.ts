// Every state a row can be in. The moves between them are compare-and-set statements where they are made.
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
 * final: a failed task (but `instant`) ends its job, and the end of a job cancels what is left of it. */
export const TaskState = z.enum(['blocked', 'ready', 'running', 'done', 'failed', 'cancelled']);
export type TaskState = z.infer<typeof TaskState>;

export const TaskKind = z.enum(['import', 'plan', 'instant', 'chunk', 'audio', 'text', 'finish']);
export type TaskKind = z.infer<typeof TaskKind>;

/** An ended job stays as it is; trying again makes a new one. */
export function isTerminal(state: JobState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

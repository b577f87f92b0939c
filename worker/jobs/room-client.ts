// How the rest of the Worker talks to a job's progress room. A room is a display: when it does not answer,
// that is logged and nothing else changes.

import { errorFields, type Log } from '../../shared/log.ts';
import type { Env } from '../env.ts';
import type { JobNews } from './live-job.ts';
import type { ProgressRoom } from './progress-room.ts';
import { importOf, jobError, type LiveProgress, stageOf } from './render.ts';
import { chunkFrames, type JobRow, jobById } from './store.ts';

export function roomOf(env: Env, jobId: string): DurableObjectStub<ProgressRoom> {
  return env.PROGRESS_ROOMS.get(env.PROGRESS_ROOMS.idFromName(jobId));
}

/** Tells the room how the job stands in D1. Never rejects: meant for `waitUntil`. */
export async function announceJob(env: Env, jobId: string, log: Log): Promise<void> {
  try {
    const row = await jobById(env.DB, jobId);
    if (row) await roomOf(env, jobId).announce(await newsOf(env, row));
  } catch (error) {
    log.warn('room.announce_failed', { jobId, ...errorFields(error) });
  }
}

/** Tells the room how many frames (of an import: bytes) a task has done. Never rejects: meant for `waitUntil`. */
export async function reportDone(
  env: Env,
  jobId: string,
  task: string,
  done: number,
  log: Log,
): Promise<void> {
  try {
    const room = roomOf(env, jobId);
    if (await room.report(task, done)) return;
    await announceJob(env, jobId, log);
    await room.report(task, done);
  } catch (error) {
    log.warn('room.report_failed', { jobId, ...errorFields(error) });
  }
}

/** What the room knows beyond the row; nothing when the job is over or the room does not answer. */
export async function liveProgress(env: Env, row: JobRow, log: Log): Promise<LiveProgress | undefined> {
  if (row.state !== 'running') return undefined;
  try {
    return await roomOf(env, row.id).progress();
  } catch (error) {
    log.warn('room.progress_failed', { jobId: row.id, ...errorFields(error) });
    return undefined;
  }
}

/** A job's row as the room wants to hear it. */
export async function newsOf(env: Env, row: JobRow): Promise<JobNews> {
  const error = jobError(row);
  return {
    jobId: row.id,
    videoId: row.video_id,
    state: row.state,
    stage: stageOf(row),
    ...(row.started_at === null ? {} : { startedAtMs: row.started_at * 1000 }),
    ...(row.total_frames === null ? {} : { totalFrames: row.total_frames }),
    ...(importOf(row) && { import: importOf(row)! }),
    growth: { isOpen: row.growths_open > 0, closed: row.growths_closed },
    chunks: await chunkFrames(env.DB, row.id),
    ...(error ? { error } : {}),
  };
}

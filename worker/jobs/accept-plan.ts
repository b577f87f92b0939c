// The end of the plan task: the job learns its size and gets its other tasks.
import { AppError } from '../../shared/errors.ts';
import type { PlanSummary } from '../../shared/messages.ts';
import type { TaskKind, TaskState } from '../../shared/states.ts';
import { type HeldTask, INSTANT_TASK, newToken, taskGuard } from './guard.ts';
import { currentOf } from './ledger.ts';
import { ticketStatement, ticketsFor } from './outbox.ts';

type NewTask = {
  name: string;
  kind: TaskKind;
  idx: number;
  segments: number;
  frames: number;
  state: TaskState;
  /** Segments that are durable already. */
  mark?: number;
};

/**
 * Ends the plan task and creates chunk, audio and finish tasks, and the copy where one can be made. Told twice, it
 * answers twice the same.
 *
 * @throws AppError plan_invalid where the numbers do not add up, lease_lost where the attempt is over.
 */
export async function acceptPlan(db: D1Database, held: HeldTask, summary: PlanSummary): Promise<void> {
  refuseInconsistent(summary);
  const tasks = tasksOf(summary);
  const token = newToken();
  const isPlanned = taskGuard(held, token);
  const results = await db.batch<{ name: string }>([
    db
      .prepare(
        `UPDATE tasks SET state = 'done', finished_at = unixepoch(), lease_until = 0, token = ?
         WHERE job_id = ? AND name = ? AND kind = 'plan' AND epoch = ? AND state = 'running' RETURNING name`,
      )
      .bind(token, held.jobId, held.task, held.epoch),
    // One bound JSON: D1 takes 100 parameters, and a long film has hundreds of chunks.
    db
      .prepare(
        `INSERT INTO tasks (job_id, name, kind, idx, segments, frames, state, mark, not_before)
         SELECT ?, value ->> 'name', value ->> 'kind', value ->> 'idx', value ->> 'segments', value ->> 'frames',
                value ->> 'state', coalesce(value ->> 'mark', 0), unixepoch()
         FROM json_each(?) WHERE ${isPlanned.sql}
         ON CONFLICT (job_id, name) DO NOTHING`,
      )
      .bind(held.jobId, JSON.stringify(tasks), ...isPlanned.params),
    db
      .prepare(
        `UPDATE jobs SET plan = ?, total_frames = ?, segment_frames = ?, duration_seconds = ?
         WHERE id = ? AND ${isPlanned.sql}`,
      )
      .bind(
        JSON.stringify(summary),
        summary.totalFrames,
        summary.segmentFrames,
        summary.durationSeconds,
        held.jobId,
        ...isPlanned.params,
      ),
    ticketStatement(
      db,
      { id: `ticket:${held.jobId}:${token}`, jobId: held.jobId, count: ticketsFor(tasks.length - 1) },
      isPlanned,
    ),
  ]);
  if (!results[0]?.results[0]) await currentOf(db, held, ['done']);
}

function tasksOf(summary: PlanSummary): NewTask[] {
  const chunks = summary.chunks.map((chunk, index): NewTask => {
    const { segmentCount: segments, frames } = chunk;
    return { name: `chunk:${index}`, kind: 'chunk', idx: index, segments, frames, state: 'ready' };
  });
  const audio = Array.from({ length: summary.audioTracks }, (_, index): NewTask => {
    const segments = summary.segmentCount;
    // Without pictures the sound is what progress counts.
    const isAll = summary.chunks.length === 0;
    const frames = isAll ? Math.floor(summary.totalFrames / summary.audioTracks) : 0;
    return { name: `audio:${index}`, kind: 'audio', idx: index, segments, frames, state: 'ready' };
  });
  const instant: NewTask[] =
    summary.instantSegments === undefined
      ? []
      : [
          {
            name: INSTANT_TASK,
            kind: 'instant',
            idx: 0,
            segments: summary.instantSegments,
            frames: 0,
            state: 'ready',
            mark: summary.instantMark ?? 0,
          },
        ];
  const text: NewTask[] = summary.textTracks
    ? [{ name: 'text', kind: 'text', idx: 0, segments: 0, frames: 0, state: 'ready' }]
    : [];
  const finish: NewTask = {
    name: 'finish',
    kind: 'finish',
    idx: 0,
    segments: 0,
    frames: 0,
    state: 'blocked',
  };
  return [...instant, ...chunks, ...audio, ...text, finish];
}

function refuseInconsistent(summary: PlanSummary): void {
  const { instantMark = 0, instantSegments = 0 } = summary;
  if (instantMark > instantSegments) {
    throw new AppError('plan_invalid', {
      detail: `The copy has ${instantSegments} segments, of which ${instantMark} are said to be there.`,
    });
  }
  if (summary.chunks.length === 0 && summary.audioTracks > 0) return;
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const segments = sum(summary.chunks.map((chunk) => chunk.segmentCount));
  const frames = sum(summary.chunks.map((chunk) => chunk.frames));
  if (segments !== summary.segmentCount) {
    throw new AppError('plan_invalid', {
      detail: `The chunks hold ${segments} segments, the plan ${summary.segmentCount}.`,
    });
  }
  if (frames !== summary.totalFrames) {
    throw new AppError('plan_invalid', {
      detail: `The chunks hold ${frames} frames, the plan ${summary.totalFrames}.`,
    });
  }
}

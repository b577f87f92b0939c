// An owner's jobs as a list, and what each one is made of.
import { z } from 'zod';
import { Job } from './api.ts';
import { PageQuery } from './page-cursor.ts';
import { JobState, TaskKind, TaskState } from './states.ts';

export const JobQuery = PageQuery.extend({
  state: JobState.optional(),
});

/** As the ledger has it: what only a running job's own room knows (finer progress, the time left) is not here. */
export const ListedJob = Job.omit({ receipt: true }).extend({ videoTitle: z.string() });
export type ListedJob = z.infer<typeof ListedJob>;

export const JobList = z.object({ jobs: z.array(ListedJob), nextCursor: z.string().optional() });
export type JobList = z.infer<typeof JobList>;

export const JobTask = z.object({
  name: z.string(),
  kind: TaskKind,
  state: TaskState,
  /** How often it was begun. */
  attempts: z.int(),
  /** Of those, how many ended with a transcoder that fell silent, or with a dead encoder, in a row. */
  setbacks: z.int(),
  segments: z.object({ done: z.int(), total: z.int() }).optional(),
  /** Of a task that waits after a failed attempt: when it may begin again. */
  waitsUntil: z.string().optional(),
  startedAt: z.string().optional(),
  finishedAt: z.string().optional(),
});
export type JobTask = z.infer<typeof JobTask>;

/** Empty for a job that ended long ago: the counts in the job itself stay. */
export const JobTasks = z.object({ tasks: z.array(JobTask) });
export type JobTasks = z.infer<typeof JobTasks>;

// The tasks of a job with their times, as bars on the job's own time.
import type { Job } from '../../../shared/api.ts';
import type { JobTask } from '../../../shared/job-api.ts';
import { spanText, whenText } from '../ui/amounts.ts';
import { StateBadge } from '../ui/badge.tsx';
import { type Column, Table } from '../ui/table.tsx';

const KINDS: Record<string, string> = {
  import: 'Fetch the file',
  plan: 'Look into the file',
  instant: 'First copy',
  chunk: 'Encode, part',
  audio: 'Sound',
  text: 'Subtitles',
  finish: 'Check and publish',
};

export function TaskTable({ job, tasks }: { job: Job; tasks: JobTask[] | undefined }) {
  if (!tasks) return null;
  if (tasks.length === 0) {
    return <p className="quiet small">The single tasks of a job that ended long ago are no longer kept.</p>;
  }
  const span = spanOf(job, tasks);
  const columns: Column<JobTask>[] = [
    { head: 'Task', cell: (task) => nameOf(task) },
    {
      head: 'State',
      cell: (task) => (
        <div className="row">
          <StateBadge state={task.state} />
          {task.setbacks > 0 ? <span className="small quiet">{setbackText(task.setbacks)}</span> : null}
          {task.waitsUntil ? <span className="small quiet">goes on soon</span> : null}
        </div>
      ),
    },
    { head: 'When', cell: (task) => <TimeBar task={task} span={span} /> },
    {
      head: 'Segments',
      cell: ({ segments }) => (segments ? `${segments.done}/${segments.total}` : '–'),
      isEnd: true,
    },
    { head: 'Attempts', cell: ({ attempts }) => attempts, isEnd: true },
    { head: 'Took', cell: (task) => tookText(task), isEnd: true },
  ];
  return (
    <section className="card" aria-labelledby="job-tasks">
      <div className="card-head">
        <h2 id="job-tasks">Tasks</h2>
        <span className="quiet small">{`${job.tasks.done} of ${job.tasks.total} done`}</span>
      </div>
      <Table caption="The tasks of this job" columns={columns} rows={tasks} keyOf={({ name }) => name} />
    </section>
  );
}

type Span = { fromMs: number; lengthMs: number };

function TimeBar({ task, span }: { task: JobTask; span: Span }) {
  if (!task.startedAt) return <span className="quiet small">not yet</span>;
  const from = Date.parse(task.startedAt);
  const to = task.finishedAt ? Date.parse(task.finishedAt) : span.fromMs + span.lengthMs;
  const share = (ms: number) => `${(100 * Math.max(0, ms)) / span.lengthMs}%`;
  return (
    <div
      className="task-bar"
      role="img"
      aria-label={`Begun ${whenText(task.startedAt)}, took ${tookText(task)}`}
    >
      <i
        data-state={task.state}
        style={{ left: share(from - span.fromMs), width: `max(3px, ${share(to - from)})` }}
      />
    </div>
  );
}

function spanOf(job: Job, tasks: JobTask[]): Span {
  const starts = tasks.flatMap(({ startedAt }) => (startedAt ? [Date.parse(startedAt)] : []));
  const fromMs = Math.min(...starts, Date.parse(job.startedAt ?? job.createdAt));
  const ends = tasks.flatMap(({ finishedAt }) => (finishedAt ? [Date.parse(finishedAt)] : []));
  const isOpen = job.finishedAt === undefined;
  const toMs = Math.max(...ends, isOpen ? Date.now() : Date.parse(job.finishedAt ?? ''));
  return { fromMs, lengthMs: Math.max(1000, toMs - fromMs) };
}

function nameOf({ kind, name }: JobTask): string {
  const number = /:(\d+)$/.exec(name)?.[1];
  const text = KINDS[kind] ?? kind;
  return number === undefined ? text : `${text} ${Number(number) + 1}`;
}

function setbackText(setbacks: number): string {
  return setbacks === 1 ? 'began anew once' : `began anew ${setbacks} times`;
}

function tookText({ startedAt, finishedAt }: JobTask): string {
  if (!startedAt || !finishedAt) return '–';
  const seconds = (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000;
  return seconds < 1 ? '< 1 s' : spanText(seconds);
}

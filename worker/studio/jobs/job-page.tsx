// One job: how far it is, what it is made of, how long each part took, and why it failed.
import { useEffect } from 'react';
import type { AcceptedJob, Job, Video } from '../../../shared/api.ts';
import type { JobTasks } from '../../../shared/job-api.ts';
import { api, useApi } from '../api.ts';
import { isOpen } from '../follow-job.ts';
import { useLiveJob } from '../live-job.ts';
import { goTo, type PageProps, pageAt } from '../router.ts';
import { mayUpload, useSession } from '../session.ts';
import { bitrateText, bytesText, momentText, spanText } from '../ui/amounts.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Button, ButtonLink } from '../ui/button.tsx';
import { FailureNotice } from '../ui/notice.tsx';
import { PageHead } from '../ui/shell.tsx';
import { useAction } from '../video/use-action.ts';
import { ExplainedError } from './explained-error.tsx';
import './jobs.css';
import { LiveProgress } from './live-progress.tsx';
import { TaskTable } from './task-table.tsx';

const TASKS_POLL_MS = 3000;

export function Page({ id }: PageProps) {
  const session = useSession();
  const { data: job, failure, reload } = useApi<Job>(`/v1/jobs/${encodeURIComponent(id)}`);
  const { data: tasks, reload: reloadTasks } = useApi<JobTasks>(`/v1/jobs/${encodeURIComponent(id)}/tasks`);
  const { data: video } = useApi<Video>(job && `/v1/videos/${job.videoId}`);
  const isJobOpen = isOpen(job);
  const reloadAll = () => Promise.all([reload(), reloadTasks()]);
  const event = useLiveJob(isJobOpen ? job.id : undefined, () => void reloadAll());
  // No event tells of single tasks.
  useEffect(() => {
    if (!isJobOpen) return;
    const timer = setInterval(() => void Promise.all([reload(), reloadTasks()]), TASKS_POLL_MS);
    return () => clearInterval(timer);
  }, [isJobOpen, reload, reloadTasks]);
  const action = useAction();
  const retry = () =>
    action.run(async () => {
      const { jobId } = await api<AcceptedJob>('POST', `/v1/jobs/${id}/retry`);
      goTo(`jobs/${jobId}`);
    });
  const cancel = () =>
    action.run(async () => {
      await api('POST', `/v1/jobs/${id}/cancel`);
      await reloadAll();
    });
  if (failure && !job) return <FailureNotice failure={failure} title="This job cannot be shown" />;
  if (!job) return <p className="quiet">One moment …</p>;
  const live = event ?? job;
  return (
    <>
      <nav className="page-up" aria-label="Where this is">
        <a href={pageAt('jobs')}>Jobs</a>
      </nav>
      <PageHead title={video?.title ?? 'Job'} note={<span className="mono">{job.id}</span>}>
        <StateBadge state={live.state} />
        <ButtonLink href={pageAt(`videos/${job.videoId}`)}>To the video</ButtonLink>
        {mayUpload(session) && isJobOpen ? (
          <Button tone="danger" isBusy={action.isBusy} onClick={() => void cancel()}>
            Cancel
          </Button>
        ) : null}
        {mayUpload(session) && (job.state === 'failed' || job.state === 'cancelled') ? (
          <Button tone="main" isBusy={action.isBusy} onClick={() => void retry()}>
            Try again
          </Button>
        ) : null}
      </PageHead>
      {action.failure ? <FailureNotice failure={action.failure} /> : null}
      {isJobOpen ? (
        <div className="card">
          <div className="card-body">
            <LiveProgress live={live} />
          </div>
        </div>
      ) : null}
      {job.error ? <ExplainedError error={job.error} /> : null}
      <Timings job={job} />
      {job.receipt ? <ReceiptFacts receipt={job.receipt} /> : null}
      <TaskTable job={job} tasks={tasks?.tasks} />
    </>
  );
}

function Timings({ job }: { job: Job }) {
  const { queuedSeconds, runningSeconds } = job.timings;
  const figures: [string, string][] = [
    ['Waited', queuedSeconds === undefined ? '–' : spanText(queuedSeconds)],
    ['Worked', runningSeconds === undefined ? '–' : spanText(runningSeconds)],
    ['Tasks', `${job.tasks.done} of ${job.tasks.total}`],
    ['Progress', `${Math.floor(job.progress)}%`],
  ];
  return (
    <section className="stack" aria-label="Times">
      <div className="job-figures">
        {figures.map(([label, value]) => (
          <div key={label} className="card figure">
            <span className="figure-label">{label}</span>
            <span className="figure-value">{value}</span>
          </div>
        ))}
      </div>
      <p className="quiet small">
        {[
          `Created ${momentText(job.createdAt)}`,
          ...(job.startedAt ? [`begun ${momentText(job.startedAt)}`] : []),
          ...(job.finishedAt ? [`ended ${momentText(job.finishedAt)}`] : []),
        ].join(' · ')}
      </p>
    </section>
  );
}

function ReceiptFacts({ receipt }: { receipt: NonNullable<Job['receipt']> }) {
  const { cpuSeconds, rungs, audioBytes, savedPercent, encoder, preset } = receipt;
  const videoBytes = rungs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const cpu = cpuSeconds.video + cpuSeconds.audio + cpuSeconds.sampling;
  const top = rungs.toSorted((a, b) => b.height - a.height)[0];
  return (
    <section className="card" aria-labelledby="job-receipt">
      <div className="card-head">
        <h2 id="job-receipt">Receipt</h2>
        <span className="quiet small">{`${encoder}, ${preset}`}</span>
      </div>
      <div className="card-body">
        <dl className="facts">
          <dt>Processor time</dt>
          <dd className="numbers">{spanText(cpu)}</dd>
          <dt>Output</dt>
          <dd className="numbers">{`${bytesText(videoBytes + audioBytes)} in ${rungs.length} renditions`}</dd>
          {top ? (
            <>
              <dt>Best rendition</dt>
              <dd className="numbers">{`${top.name}, ${bitrateText(top.averageBps)}`}</dd>
            </>
          ) : null}
          <dt>Against fixed bitrates</dt>
          <dd className="numbers">
            {savedPercent >= 0
              ? `${savedPercent.toFixed(0)} % smaller`
              : `${(-savedPercent).toFixed(0)} % larger`}
          </dd>
        </dl>
      </div>
    </section>
  );
}

// The latest job of the video: how far it is, why it failed, and what can be done about it.
import { useState } from 'react';
import type { Job, Video } from '../../../shared/api.ts';
import { api } from '../api.ts';
import { isOpen } from '../follow-job.ts';
import { ExplainedError } from '../jobs/explained-error.tsx';
import { pageAt } from '../router.ts';
import { spanText, whenText } from '../ui/amounts.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { ConfirmDialog } from '../ui/dialog.tsx';
import { FailureNotice } from '../ui/notice.tsx';
import { Progress } from '../ui/progress.tsx';
import { etaText, STEPS, stageText } from './stage-text.ts';
import { useAction } from './use-action.ts';
import type { JobProgress } from './use-video.ts';

type Props = {
  video: Video;
  job: Job;
  progress: JobProgress | undefined;
  mayManage: boolean;
  onChange(): Promise<void>;
};

export function JobCard({ video, job, progress, mayManage, onChange }: Props) {
  const [isCancelling, setIsCancelling] = useState(false);
  const action = useAction();
  const isRunning = isOpen(job);
  const post = async (what: 'retry' | 'cancel') => {
    await action.run(async () => {
      await api('POST', `/v1/jobs/${encodeURIComponent(job.id)}/${what}`, {});
      await onChange();
    });
    setIsCancelling(false);
  };
  return (
    <section className="card" aria-labelledby="job-title">
      <div className="card-head">
        <div className="row">
          <h2 id="job-title">{isRunning ? 'In progress' : 'Last job'}</h2>
          <StateBadge state={job.state} />
        </div>
        <div className="row">
          <a className="small" href={pageAt(`jobs/${job.id}`)}>
            Details
          </a>
          {mayManage && isRunning ? (
            <Button size="small" onClick={() => setIsCancelling(true)}>
              Cancel
            </Button>
          ) : null}
          {mayManage && (job.state === 'failed' || job.state === 'cancelled') ? (
            <Button size="small" tone="main" isBusy={action.isBusy} onClick={() => void post('retry')}>
              Try again
            </Button>
          ) : null}
        </div>
      </div>
      <div className="card-body">
        {isRunning && progress ? <Running job={job} progress={progress} /> : <Ended job={job} />}
        {job.error ? <ExplainedError error={job.error} /> : null}
        {job.error && video.renditions.length > 0 ? (
          <p className="small quiet">What was published before plays on.</p>
        ) : null}
        {action.failure ? <FailureNotice failure={action.failure} /> : null}
      </div>
      {isCancelling ? (
        <ConfirmDialog
          title="Cancel this job?"
          action="Cancel the job"
          isBusy={action.isBusy}
          onConfirm={() => void post('cancel')}
          onClose={() => setIsCancelling(false)}
        >
          <p>What is encoded so far is thrown away. The original stays, so you can try again later.</p>
        </ConfirmDialog>
      ) : null}
    </section>
  );
}

function Running({ job, progress }: { job: Job; progress: JobProgress }) {
  const at = STEPS.findIndex(({ stages }) => (stages as readonly string[]).includes(progress.stage));
  const { done, total } = job.tasks;
  return (
    <>
      <ol className="video-steps">
        {STEPS.map(({ name }, index) => (
          <li
            key={name}
            data-state={index < at ? 'done' : index === at ? 'now' : 'later'}
            aria-current={index === at ? 'step' : undefined}
          >
            {name}
          </li>
        ))}
      </ol>
      <Progress
        label={stageText(progress.stage)}
        percent={progress.progress}
        note={`${progress.progress.toFixed(progress.progress < 99.9 ? 0 : 1)}%`}
      />
      <p className="row spread small quiet numbers">
        <span>{total > 1 ? `${done} of ${total} tasks done` : 'Tasks are not planned yet'}</span>
        <span>{etaText(progress.etaSeconds)}</span>
      </p>
    </>
  );
}

function Ended({ job }: { job: Job }) {
  const { queuedSeconds, runningSeconds } = job.timings;
  return (
    <p className="small quiet">
      {[
        job.finishedAt ? `Ended ${whenText(job.finishedAt)}` : stageText(job.stage),
        ...(runningSeconds === undefined ? [] : [`ran for ${spanText(runningSeconds)}`]),
        ...(queuedSeconds === undefined ? [] : [`waited ${spanText(queuedSeconds)} before`]),
        `${job.tasks.done} of ${job.tasks.total} tasks done`,
      ].join(' · ')}
    </p>
  );
}

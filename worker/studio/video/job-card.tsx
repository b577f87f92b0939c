// The latest job of the video: how far it is, why it failed, and what can be done about it.
import { useState } from 'react';
import type { ApiError, Job, Video } from '../../../shared/api.ts';
import { ERRORS } from '../../../shared/errors.ts';
import { api } from '../api.ts';
import { pageAt } from '../router.ts';
import { spanText, whenText } from '../ui/amounts.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { ConfirmDialog } from '../ui/dialog.tsx';
import { FailureNotice, Notice } from '../ui/notice.tsx';
import { Progress } from '../ui/progress.tsx';
import { etaText, STEPS, stageText } from './stage-text.ts';
import { useAction } from './use-action.ts';
import { isOpen, type JobProgress } from './use-video.ts';

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
        {job.error ? <Explained error={job.error} wasPublished={video.renditions.length > 0} /> : null}
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

function Explained({ error, wasPublished }: { error: ApiError; wasPublished: boolean }) {
  const kind = Object.entries(ERRORS).find(([code]) => code === error.code)?.[1];
  return (
    <Notice tone={error.code === 'job_cancelled' ? 'warn' : 'bad'} title={kind?.title ?? 'The job failed'}>
      <p>{error.detail}</p>
      <p className="quiet">{adviceOn(error.code, kind?.retry)}</p>
      {wasPublished ? <p className="quiet">What was published before plays on.</p> : null}
      <code className="quiet">{error.code}</code>
    </Notice>
  );
}

function adviceOn(code: string, retry: 'never' | 'later' | undefined): string {
  if (code === 'job_cancelled') return 'Somebody cancelled it. It can be started again.';
  if (code.startsWith('media_')) {
    return 'The trouble is in the file: the same file will fail again. Export it anew and upload that.';
  }
  if (code.startsWith('import_')) {
    return 'The file could not be fetched from where it is. See that the address works for anybody, then try again.';
  }
  return retry === 'later'
    ? 'The trouble was on our side and may have passed: try again.'
    : 'Trying the same again will most likely end the same way.';
}

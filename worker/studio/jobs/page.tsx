// The jobs of an owner's videos, newest first.
import { useEffect, useState } from 'react';
import type { JobEvent } from '../../../shared/api.ts';
import type { ListedJob } from '../../../shared/job-api.ts';
import { isOpen } from '../follow-job.ts';
import { useLiveJob } from '../live-job.ts';
import { type PageProps, pageAt, replacePage } from '../router.ts';
import { mayUpload, useSession } from '../session.ts';
import { spanText, whenText } from '../ui/amounts.ts';
import { StateBadge } from '../ui/badge.tsx';
import { ButtonLink } from '../ui/button.tsx';
import { LoadMore } from '../ui/load-more.tsx';
import { Empty, FailureNotice } from '../ui/notice.tsx';
import { PageHead } from '../ui/shell.tsx';
import { type Column, Table } from '../ui/table.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { filtered, usePages } from '../use-pages.ts';
import './jobs.css';
import { LiveProgress } from './live-progress.tsx';

const STATES = [
  ['', 'All'],
  ['running', 'Running'],
  ['queued', 'Queued'],
  ['succeeded', 'Succeeded'],
  ['failed', 'Failed'],
  ['cancelled', 'Cancelled'],
] as const;

/** New jobs are told by nobody; those that are listed tell of themselves. */
const REFRESH_MS = 15_000;

export function Page({ query }: PageProps) {
  const session = useSession();
  const state = query.get('state') ?? '';
  const pages = usePages<ListedJob>(filtered('/v1/jobs', { limit: 25, state }), 'jobs');
  const [hasMoreShown, setHasMoreShown] = useState(false);
  const { reload } = pages;
  useEffect(() => {
    if (hasMoreShown) return; // what was unfolded is not folded again
    const timer = setInterval(() => void reload(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [reload, hasMoreShown]);
  const columns: Column<ListedJob>[] = [
    {
      head: 'Video',
      cell: (job) => (
        <a className="job-title" href={pageAt(`jobs/${job.id}`)}>
          {job.videoTitle}
        </a>
      ),
    },
    { head: 'State', cell: (job) => <LiveState job={job} onChange={() => void reload()} /> },
    { head: 'Tasks', cell: (job) => `${job.tasks.done}/${job.tasks.total}`, isEnd: true },
    { head: 'Took', cell: (job) => tookText(job), isEnd: true },
    { head: 'Created', cell: (job) => whenText(job.createdAt), isEnd: true },
  ];
  return (
    <>
      <PageHead title="Jobs" note="Everything that is being made, and how it went." />
      <Tabs
        label="State"
        tabs={STATES}
        current={state}
        onChange={(next) => replacePage('jobs', { state: next })}
      >
        {pages.failure ? (
          <FailureNotice
            failure={pages.failure}
            title="The jobs cannot be shown"
            onRetry={() => void reload()}
          />
        ) : null}
        {pages.isLoading ? <p className="quiet">One moment …</p> : null}
        {!pages.isLoading && !pages.failure && pages.items.length === 0 ? (
          <Empty title={state ? 'No such jobs' : 'No jobs yet'}>
            <p>{state ? 'None of the jobs is in this state.' : 'Each upload starts one.'}</p>
            {!state && mayUpload(session) ? (
              <ButtonLink tone="main" href={pageAt('upload')}>
                Upload a video
              </ButtonLink>
            ) : null}
          </Empty>
        ) : null}
        {pages.items.length > 0 ? (
          <div className="stack">
            <div className="card">
              <Table
                caption="Jobs, newest first"
                columns={columns}
                rows={pages.items}
                keyOf={({ id }) => id}
              />
            </div>
            <div onClickCapture={() => setHasMoreShown(true)}>
              <LoadMore pages={pages} />
            </div>
          </div>
        ) : null}
      </Tabs>
    </>
  );
}

function LiveState({ job, onChange }: { job: ListedJob; onChange(): void }) {
  const event: JobEvent | undefined = useLiveJob(isOpen(job) ? job.id : undefined, onChange);
  const live = event ?? job;
  if (live.state !== 'running') {
    return (
      <div className="job-state">
        <StateBadge state={live.state} />
        {job.error ? <span className="small quiet">{job.error.detail}</span> : null}
      </div>
    );
  }
  return (
    <div className="job-running">
      <LiveProgress live={live} />
    </div>
  );
}

function tookText({ timings }: ListedJob): string {
  return timings.runningSeconds === undefined ? '–' : spanText(timings.runningSeconds);
}

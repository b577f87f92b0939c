// One migration and what became of each item.
import { useEffect } from 'react';
import type { Migration, MigrationItem } from '../../../shared/migration-api.ts';
import { useApi } from '../api.ts';
import { type PageProps, pageAt, replacePage } from '../router.ts';
import { bytesText, whenText } from '../ui/amounts.ts';
import { StateBadge } from '../ui/badge.tsx';
import { LoadMore } from '../ui/load-more.tsx';
import { Empty, FailureNotice } from '../ui/notice.tsx';
import { PageHead } from '../ui/shell.tsx';
import { type Column, Table } from '../ui/table.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { filtered, usePages } from '../use-pages.ts';
import { ItemCounts } from './item-counts.tsx';
import './migrations.css';

const STATES = [
  ['', 'All'],
  ['converting', 'Converting'],
  ['done', 'Done'],
  ['failed', 'Failed'],
  ['rolled_back', 'Rolled back'],
  ['pending', 'Waiting'],
] as const;

/** Counts move while the migrator is at work; nothing tells of it. */
const REFRESH_MS = 5000;

const COLUMNS: Column<MigrationItem>[] = [
  {
    head: 'Source',
    cell: ({ source, contentId, kind }) => (
      <div className="item-source">
        <span>{source}</span>
        <span className="small quiet">{[kind, contentId].filter(Boolean).join(' · ')}</span>
      </div>
    ),
  },
  {
    head: 'State',
    cell: ({ state, error, attempt }) => (
      <div className="item-source">
        <span className="row">
          <StateBadge state={state} />
          {attempt > 1 ? <span className="small quiet">{`attempt ${attempt}`}</span> : null}
        </span>
        {error ? <span className="small quiet">{error.detail}</span> : null}
      </div>
    ),
  },
  {
    head: 'Size',
    cell: ({ sizeBytes }) => (sizeBytes === undefined ? '–' : bytesText(sizeBytes)),
    isEnd: true,
  },
  { head: 'Changed', cell: ({ updatedAt }) => whenText(updatedAt), isEnd: true },
  {
    head: 'Video',
    cell: ({ videoId, source }) =>
      videoId ? (
        <a href={pageAt(`videos/${videoId}`)} aria-label={`The video of ${source}`}>
          Open
        </a>
      ) : (
        '–'
      ),
    isEnd: true,
  },
];

export function Page({ id, query }: PageProps) {
  const path = `/v1/migrations/${encodeURIComponent(id)}`;
  const state = query.get('state') ?? '';
  const { data: migration, failure, reload } = useApi<Migration>(path);
  const pages = usePages<MigrationItem>(filtered(`${path}/items`, { limit: 100, state }), 'items');
  const isAtWork = (migration?.items.converting ?? 0) + (migration?.items.pending ?? 0) > 0;
  useEffect(() => {
    if (!isAtWork) return;
    const timer = setInterval(() => void reload(), REFRESH_MS);
    return () => clearInterval(timer);
  }, [isAtWork, reload]);
  if (failure && !migration)
    return <FailureNotice failure={failure} title="This migration cannot be shown" />;
  if (!migration) return <p className="quiet">One moment …</p>;
  return (
    <>
      <nav className="page-up" aria-label="Where this is">
        <a href={pageAt('migrations')}>Migrations</a>
      </nav>
      <PageHead title={migration.name} note={`Begun ${whenText(migration.createdAt)}`} />
      <div className="card">
        <div className="card-body">
          <ItemCounts items={migration.items} />
        </div>
      </div>
      <Tabs
        label="State"
        tabs={STATES}
        current={state}
        onChange={(next) => replacePage(`migrations/${id}`, { state: next })}
      >
        {pages.failure ? <FailureNotice failure={pages.failure} onRetry={() => void pages.reload()} /> : null}
        {!pages.isLoading && !pages.failure && pages.items.length === 0 ? (
          <Empty title="No such items" />
        ) : null}
        {pages.items.length > 0 ? (
          <div className="stack">
            <div className="card">
              <Table caption="Items" columns={COLUMNS} rows={pages.items} keyOf={({ key }) => key} />
            </div>
            <LoadMore pages={pages} />
          </div>
        ) : null}
      </Tabs>
    </>
  );
}

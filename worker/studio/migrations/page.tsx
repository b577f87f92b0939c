// Libraries that come over from elsewhere.
import type { Migration } from '../../../shared/migration-api.ts';
import { type PageProps, pageAt } from '../router.ts';
import { whenText } from '../ui/amounts.ts';
import { LoadMore } from '../ui/load-more.tsx';
import { Empty, FailureNotice } from '../ui/notice.tsx';
import { PageHead } from '../ui/shell.tsx';
import { type Column, Table } from '../ui/table.tsx';
import { filtered, usePages } from '../use-pages.ts';
import { ItemCounts } from './item-counts.tsx';
import './migrations.css';

const COLUMNS: Column<Migration>[] = [
  { head: 'Name', cell: ({ id, name }) => <a href={pageAt(`migrations/${id}`)}>{name}</a> },
  { head: 'Items', cell: ({ items }) => <ItemCounts items={items} /> },
  { head: 'Begun', cell: ({ createdAt }) => whenText(createdAt), isEnd: true },
];

export function Page(_: PageProps) {
  const pages = usePages<Migration>(filtered('/v1/migrations', { limit: 50 }), 'migrations');
  return (
    <>
      <PageHead
        title="Migrations"
        note="Existing libraries, converted item by item and checked before they replace anything."
      />
      {pages.failure ? (
        <FailureNotice
          failure={pages.failure}
          title="The migrations cannot be shown"
          onRetry={() => void pages.reload()}
        />
      ) : null}
      {pages.isLoading ? <p className="quiet">One moment …</p> : null}
      {!pages.isLoading && !pages.failure && pages.items.length === 0 ? (
        <Empty title="No migrations yet">
          <p>The command converts a library of existing files, and its progress appears here:</p>
          <pre className="migration-command">
            <code>npx reelay migrate --help</code>
          </pre>
        </Empty>
      ) : null}
      {pages.items.length > 0 ? (
        <div className="card">
          <Table caption="Migrations" columns={COLUMNS} rows={pages.items} keyOf={({ id }) => id} />
        </div>
      ) : null}
      <LoadMore pages={pages} />
    </>
  );
}

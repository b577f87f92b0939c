// Webhook endpoints: where events go.
import { useState } from 'react';
import type { Webhook } from '../../../shared/webhook-api.ts';
import { useApi } from '../api.ts';
import { type PageProps, pageAt } from '../router.ts';
import { whenText } from '../ui/amounts.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { Empty, FailureNotice } from '../ui/notice.tsx';
import { PageHead } from '../ui/shell.tsx';
import { type Column, Table } from '../ui/table.tsx';
import { EndpointDialog } from './endpoint-dialog.tsx';
import { SecretDialog } from './secret-dialog.tsx';
import './webhooks.css';

const COLUMNS: Column<Webhook>[] = [
  {
    head: 'Endpoint',
    cell: ({ id, url, description }) => (
      <div className="webhook-name">
        <a href={pageAt(`webhooks/${id}`)}>{description || new URL(url).host}</a>
        <span className="mono quiet">{url}</span>
      </div>
    ),
  },
  {
    head: 'Events',
    cell: ({ events }) => (events.length === 0 ? 'All' : `${events.length} kinds`),
  },
  { head: 'State', cell: ({ status }) => <StateBadge state={status} /> },
  { head: 'Created', cell: ({ createdAt }) => whenText(createdAt), isEnd: true },
];

export function Page(_: PageProps) {
  const { data, failure, isLoading, reload } = useApi<{ webhooks: Webhook[] }>('/v1/webhooks');
  const [isAdding, setIsAdding] = useState(false);
  const [secret, setSecret] = useState<string>();
  const webhooks = data?.webhooks ?? [];
  return (
    <>
      <PageHead
        title="Webhooks"
        note="Your servers hear of what happens here, signed after Standard Webhooks."
      >
        <Button tone="main" onClick={() => setIsAdding(true)}>
          Add an endpoint
        </Button>
      </PageHead>
      {failure ? (
        <FailureNotice failure={failure} title="The webhooks cannot be shown" onRetry={() => void reload()} />
      ) : null}
      {isLoading ? <p className="quiet">One moment …</p> : null}
      {data && webhooks.length === 0 ? (
        <Empty title="No endpoints yet">
          <p>Add the address of a server, and it is told when a video is ready, has failed or was deleted.</p>
        </Empty>
      ) : null}
      {webhooks.length > 0 ? (
        <div className="card">
          <Table caption="Webhook endpoints" columns={COLUMNS} rows={webhooks} keyOf={({ id }) => id} />
        </div>
      ) : null}
      {isAdding ? (
        <EndpointDialog
          onClose={() => setIsAdding(false)}
          onDone={(created) => {
            setIsAdding(false);
            if (created.secret) setSecret(created.secret);
            void reload();
          }}
        />
      ) : null}
      {secret ? <SecretDialog secret={secret} onClose={() => setSecret(undefined)} /> : null}
    </>
  );
}

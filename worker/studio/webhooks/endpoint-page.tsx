// One webhook endpoint: what it is told, whether it answers, and its secret anew.
import { useState } from 'react';
import type { CreatedWebhook, Delivery, DeliveryState, Webhook } from '../../../shared/webhook-api.ts';
import { api, useApi } from '../api.ts';
import { goTo, type PageProps, pageAt, replacePage } from '../router.ts';
import { momentText } from '../ui/amounts.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { ConfirmDialog } from '../ui/dialog.tsx';
import { SelectField } from '../ui/field.tsx';
import { FailureNotice, Notice } from '../ui/notice.tsx';
import { PageHead } from '../ui/shell.tsx';
import { filtered, usePages } from '../use-pages.ts';
import { useAction } from '../video/use-action.ts';
import { Deliveries } from './deliveries.tsx';
import { EndpointDialog } from './endpoint-dialog.tsx';
import { SecretDialog } from './secret-dialog.tsx';
import './webhooks.css';

const STATES: readonly (readonly [DeliveryState | '', string])[] = [
  ['', 'Any state'],
  ['delivered', 'Delivered'],
  ['pending', 'Pending'],
  ['exhausted', 'Given up'],
  ['disabled', 'Disabled'],
];

export function Page({ id, query }: PageProps) {
  const path = `/v1/webhooks/${encodeURIComponent(id)}`;
  const state = query.get('state') ?? '';
  const { data: webhook, failure, set } = useApi<Webhook>(path);
  const pages = usePages<Delivery>(filtered(`${path}/deliveries`, { limit: 25, state }), 'deliveries');
  const [open, setOpen] = useState<'edit' | 'delete'>();
  const [secret, setSecret] = useState<string>();
  const action = useAction();
  if (failure && !webhook) return <FailureNotice failure={failure} title="This endpoint cannot be shown" />;
  if (!webhook) return <p className="quiet">One moment …</p>;
  const isEnabled = webhook.status === 'enabled';
  const test = () =>
    action.run(async () => {
      await api('POST', `${path}/test`);
      await pages.reload();
    });
  const rotate = () =>
    action.run(async () => {
      const { secret: fresh, ...rotated } = await api<CreatedWebhook>('POST', `${path}/rotate`);
      setSecret(fresh);
      set(rotated);
    });
  const switchTo = (status: Webhook['status']) =>
    action.run(async () => set(await api<Webhook>('PATCH', path, { status })));
  const remove = () =>
    action.run(async () => {
      await api('DELETE', path);
      goTo('webhooks');
    });
  return (
    <>
      <nav className="page-up" aria-label="Where this is">
        <a href={pageAt('webhooks')}>Webhooks</a>
      </nav>
      <PageHead
        title={webhook.description || new URL(webhook.url).host}
        note={<span className="mono">{webhook.url}</span>}
      >
        <StateBadge state={webhook.status} />
        <Button tone="main" isBusy={action.isBusy} disabled={!isEnabled} onClick={() => void test()}>
          Send a test
        </Button>
        <Button onClick={() => setOpen('edit')}>Change</Button>
      </PageHead>
      {action.failure ? <FailureNotice failure={action.failure} /> : null}
      {webhook.disabledReason ? (
        <Notice tone="warn" title="Nothing is sent to this endpoint">
          {webhook.disabledReason}
        </Notice>
      ) : null}
      <div className="card">
        <div className="card-body">
          <dl className="facts">
            <dt>Events</dt>
            <dd>{webhook.events.length === 0 ? 'All' : webhook.events.join(', ')}</dd>
            <dt>Created</dt>
            <dd>{momentText(webhook.createdAt)}</dd>
            {webhook.oldSecretUntil ? (
              <>
                <dt>Old secret signs until</dt>
                <dd>{momentText(webhook.oldSecretUntil)}</dd>
              </>
            ) : null}
          </dl>
          <div className="row">
            <Button size="small" isBusy={action.isBusy} onClick={() => void rotate()}>
              Rotate the secret
            </Button>
            <Button
              size="small"
              isBusy={action.isBusy}
              onClick={() => void switchTo(isEnabled ? 'disabled' : 'enabled')}
            >
              {isEnabled ? 'Disable' : 'Enable'}
            </Button>
            <Button size="small" tone="danger" onClick={() => setOpen('delete')}>
              Delete
            </Button>
          </div>
        </div>
      </div>
      <section className="stack" aria-labelledby="webhook-deliveries">
        <div className="row spread">
          <h2 id="webhook-deliveries">Deliveries</h2>
          <div className="row">
            <SelectField
              label="State"
              options={STATES}
              value={state}
              onChange={(event) => replacePage(`webhooks/${id}`, { state: event.target.value })}
            />
          </div>
        </div>
        <Deliveries pages={pages} path={path} canResend={isEnabled} />
      </section>
      {open === 'edit' ? (
        <EndpointDialog
          webhook={webhook}
          onClose={() => setOpen(undefined)}
          onDone={(saved) => {
            set(saved);
            setOpen(undefined);
          }}
        />
      ) : null}
      {open === 'delete' ? (
        <ConfirmDialog
          title="Delete this endpoint?"
          action="Delete"
          isBusy={action.isBusy}
          onConfirm={() => void remove()}
          onClose={() => setOpen(undefined)}
        >
          <p className="quiet">Nothing is sent to it any more, and its deliveries are forgotten.</p>
        </ConfirmDialog>
      ) : null}
      {secret ? <SecretDialog secret={secret} onClose={() => setSecret(undefined)} /> : null}
    </>
  );
}

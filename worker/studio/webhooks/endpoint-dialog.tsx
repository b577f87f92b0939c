import { type FormEvent, useState } from 'react';
import type { CreatedWebhook, Webhook, WebhookEventType } from '../../../shared/webhook-api.ts';
import { api } from '../api.ts';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { CheckField, TextField } from '../ui/field.tsx';
import { FailureNotice } from '../ui/notice.tsx';
import { useAction } from '../video/use-action.ts';
import { EVENT_TYPES, EVENTS } from './events.ts';

/** Makes an endpoint, or changes the one that is given. */
export function EndpointDialog({
  webhook,
  onClose,
  onDone,
}: {
  webhook?: Webhook;
  onClose(): void;
  onDone(saved: Webhook & { secret?: string }): void;
}) {
  const [url, setUrl] = useState(webhook?.url ?? '');
  const [description, setDescription] = useState(webhook?.description ?? '');
  const [events, setEvents] = useState<WebhookEventType[]>(webhook?.events ?? []);
  const action = useAction();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const body = { url: url.trim(), description, events };
    void action.run(async () => {
      const saved = webhook
        ? await api<Webhook>('PATCH', `/v1/webhooks/${webhook.id}`, body)
        : await api<CreatedWebhook>('POST', '/v1/webhooks', body);
      onDone(saved);
    });
  };
  const toggle = (type: WebhookEventType, isOn: boolean) =>
    setEvents(isOn ? [...events, type] : events.filter((other) => other !== type));
  return (
    <Dialog title={webhook ? 'Change the endpoint' : 'Add an endpoint'} onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <TextField
          label="URL"
          type="url"
          required
          placeholder="https://example.com/hooks/reelay"
          value={url}
          onChange={(event) => setUrl(event.target.value)}
        />
        <TextField
          label="Description"
          maxLength={200}
          value={description}
          onChange={(event) => setDescription(event.target.value)}
        />
        <fieldset className="webhook-events">
          <legend className="field-label">Events</legend>
          <p className="field-hint">None chosen stands for all, also for those of later versions.</p>
          {EVENT_TYPES.map((type) => (
            <CheckField
              key={type}
              label={
                <>
                  {EVENTS[type]} <code className="quiet">{type}</code>
                </>
              }
              checked={events.includes(type)}
              onChange={(event) => toggle(type, event.target.checked)}
            />
          ))}
        </fieldset>
        {action.failure ? <FailureNotice failure={action.failure} title="It was not saved" /> : null}
        <div className="dialog-actions">
          <Button onClick={onClose}>Close</Button>
          <Button tone="main" type="submit" isBusy={action.isBusy}>
            {webhook ? 'Save' : 'Add'}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

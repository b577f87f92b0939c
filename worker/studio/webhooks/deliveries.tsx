// What was sent to an endpoint, what it answered, and once more.
import { useState } from 'react';
import type { Delivery, DeliveryList } from '../../../shared/webhook-api.ts';
import { api } from '../api.ts';
import { momentText, whenText } from '../ui/amounts.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { LoadMore } from '../ui/load-more.tsx';
import { Empty, FailureNotice } from '../ui/notice.tsx';
import type { Pages } from '../use-pages.ts';
import { useAction } from '../video/use-action.ts';

/** Between looks at a delivery that was sent anew. */
const LOOK_MS = 1000;
/** A server that says nothing is given up after ten seconds, which is an attempt too. */
const MOST_LOOKS = 15;

export function Deliveries({
  pages,
  path,
  canResend,
}: {
  pages: Pages<Delivery>;
  path: string;
  canResend: boolean;
}) {
  if (pages.failure) {
    return (
      <FailureNotice
        failure={pages.failure}
        title="The deliveries cannot be shown"
        onRetry={() => void pages.reload()}
      />
    );
  }
  if (pages.isLoading) return <p className="quiet">One moment …</p>;
  if (pages.items.length === 0) {
    return (
      <Empty title="Nothing was sent">
        <p>Send a test to see whether the server answers.</p>
      </Empty>
    );
  }
  return (
    <>
      <ul className="card delivery-list">
        {pages.items.map((delivery) => (
          <DeliveryLine
            key={delivery.id}
            delivery={delivery}
            path={path}
            canResend={canResend}
            onSent={() => pages.reload()}
          />
        ))}
      </ul>
      <LoadMore pages={pages} />
    </>
  );
}

function DeliveryLine({
  delivery,
  path,
  canResend,
  onSent,
}: {
  delivery: Delivery;
  path: string;
  canResend: boolean;
  onSent(): Promise<void>;
}) {
  const [isOpen, setIsOpen] = useState(false);
  const action = useAction();
  const last = delivery.attempts.at(-1);
  const resend = () =>
    action.run(async () => {
      await api('POST', `${path}/deliveries/${delivery.id}/resend`);
      await attemptedAgain(path, delivery);
      await onSent();
    });
  return (
    <li>
      <div className="row spread">
        <div className="row">
          <StateBadge state={delivery.state} />
          <code>{delivery.type}</code>
          <span className="quiet small">{whenText(delivery.createdAt)}</span>
        </div>
        <div className="row">
          <span className="quiet small numbers">{last ? answerText(last) : 'not sent yet'}</span>
          <Button size="small" tone="plain" aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
            Details
          </Button>
          <Button size="small" isBusy={action.isBusy} disabled={!canResend} onClick={() => void resend()}>
            Resend
          </Button>
        </div>
      </div>
      {action.failure ? <FailureNotice failure={action.failure} title="It was not sent" /> : null}
      {isOpen ? <DeliveryDetails delivery={delivery} /> : null}
    </li>
  );
}

/** Waits until the delivery shows one attempt more, or for as long as one may take. */
async function attemptedAgain(path: string, { id, attempts }: Delivery): Promise<void> {
  for (let look = 0; look < MOST_LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const { deliveries } = await api<DeliveryList>('GET', `${path}/deliveries`);
    const now = deliveries.find((one) => one.id === id);
    if (!now || now.attempts.length > attempts.length) return;
  }
}

function DeliveryDetails({ delivery }: { delivery: Delivery }) {
  return (
    <div className="stack delivery-details">
      <dl className="facts">
        <dt>webhook-id</dt>
        <dd className="mono">{delivery.eventId}</dd>
        {delivery.nextAttemptAt ? (
          <>
            <dt>Next attempt</dt>
            <dd>{momentText(delivery.nextAttemptAt)}</dd>
          </>
        ) : null}
      </dl>
      {delivery.attempts.length > 0 ? (
        <ol className="delivery-attempts">
          {delivery.attempts.map((attempt) => (
            <li key={attempt.at} className="small">
              {`${momentText(attempt.at)}: ${answerText(attempt)}`}
            </li>
          ))}
        </ol>
      ) : null}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <section className="delivery-payload" tabIndex={0} aria-label="Payload">
        <pre>{JSON.stringify(delivery.payload, null, 2)}</pre>
      </section>
    </div>
  );
}

function answerText({ statusCode, durationMs, error }: Delivery['attempts'][number]): string {
  const answer =
    statusCode === undefined ? (error ?? 'No answer').replace(/\.$/, '') : `Answered ${statusCode}`;
  return `${answer} after ${Math.round(durationMs)} ms`;
}

import type { ReactNode } from 'react';
import type { ApiFailure } from '../api-client.ts';
import { Button } from './button.tsx';

export function Notice({
  tone = 'neutral',
  title,
  children,
}: {
  tone?: 'neutral' | 'good' | 'warn' | 'bad';
  title?: string;
  children?: ReactNode;
}) {
  return (
    <div className="notice-box" data-tone={tone} role={tone === 'bad' ? 'alert' : 'status'}>
      {title ? <strong>{title}</strong> : null}
      {children ? <div>{children}</div> : null}
    </div>
  );
}

/** What the API said no with, and a way to ask again where it may pass. */
export function FailureNotice({
  failure,
  title = 'That did not work',
  onRetry,
}: {
  failure: ApiFailure;
  title?: string;
  onRetry?: () => void;
}) {
  return (
    <Notice tone="bad" title={title}>
      <p>{failure.detail}</p>
      <div className="row" style={{ marginTop: '0.4rem' }}>
        <code className="quiet">{failure.code}</code>
        {onRetry ? (
          <Button size="small" onClick={onRetry}>
            Try again
          </Button>
        ) : null}
      </div>
    </Notice>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

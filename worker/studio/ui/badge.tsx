import type { ReactNode } from 'react';

export type Tone = 'neutral' | 'good' | 'busy' | 'warn' | 'bad';

export function Badge({ tone = 'neutral', children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className="badge" data-tone={tone}>
      {children}
    </span>
  );
}

const TONES: Record<string, Tone> = {
  uploading: 'busy',
  processing: 'busy',
  playable: 'busy',
  queued: 'neutral',
  running: 'busy',
  ready: 'good',
  succeeded: 'good',
  done: 'good',
  delivered: 'good',
  enabled: 'good',
  failed: 'bad',
  exhausted: 'bad',
  pending: 'neutral',
  sending: 'busy',
  converting: 'busy',
  cancelled: 'warn',
  disabled: 'warn',
  rolled_back: 'warn',
};

/** A state of a video, job, delivery, migration item … as the API names it. */
export function StateBadge({ state }: { state: string }) {
  const text = state.replaceAll('_', ' ');
  return <Badge tone={TONES[state] ?? 'neutral'}>{text.charAt(0).toUpperCase() + text.slice(1)}</Badge>;
}

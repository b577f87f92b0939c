// What a job's event stream says, for whatever shows the job: opened while it is shown and the job is open.
import { useEffect, useRef, useState } from 'react';
import type { JobEvent } from '../../shared/api.ts';
import { jobEventsUrl } from './api.ts';
import { wait } from './api-client.ts';
import { hasEnded, listen } from './follow-job.ts';

const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 15_000;

/**
 * @param jobId of an open job; undefined listens to nothing
 * @param onChange called when the job's state, or what may be watched of it, has changed
 * @returns the newest event, once there is one
 */
export function useLiveJob(jobId: string | undefined, onChange?: () => void): JobEvent | undefined {
  const [event, setEvent] = useState<JobEvent>();
  const changed = useRef(onChange);
  changed.current = onChange;
  useEffect(() => {
    if (jobId === undefined) return;
    const gone = new AbortController();
    let last: JobEvent | undefined;
    const onEvent = (next: JobEvent) => {
      if (gone.signal.aborted) return;
      const isNews = last !== undefined && (last.state !== next.state || next.type === 'playable');
      last = next;
      setEvent(next);
      if (isNews || hasEnded(next)) changed.current?.();
    };
    void follow(jobId, onEvent, gone.signal);
    return () => gone.abort();
  }, [jobId]);
  return event?.jobId === jobId ? event : undefined;
}

async function follow(jobId: string, onEvent: (event: JobEvent) => void, signal: AbortSignal): Promise<void> {
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    const isOver = await listen({ eventsUrl: jobEventsUrl }, jobId, onEvent, hasEnded, signal);
    if (isOver) return;
    await wait(retryMs);
    retryMs = Math.min(MAX_RETRY_MS, retryMs * 2);
  }
}

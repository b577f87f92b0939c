// Waits for the end of a job: pushed events where a WebSocket opens, polling where not. Events are hints;
// only the ledger's answer ends the wait.
import { type Job, JobEvent } from '../../shared/api.ts';
import { isTerminal } from '../../shared/states.ts';
import type { ApiClient } from './api-client.ts';
import { parseJson } from './json.ts';
import { PATIENT, withRetries } from './retry.ts';

const POLL_MS = 1000;
/** With events arriving, the ledger is asked only in case one was lost. */
const POLL_WITH_EVENTS_MS = 5000;

export type JobUpdate = Pick<Job, 'state' | 'progress' | 'stage' | 'etaSeconds'> & {
  /** Of an event; `playable` is told once. */
  type?: JobEvent['type'];
};

/** @param signal ends the wait with its reason */
export async function followJob(
  client: ApiClient,
  jobId: string,
  onUpdate: (update: JobUpdate) => void,
  signal?: AbortSignal,
): Promise<Job> {
  let wake = () => {};
  const events = openEvents(client, jobId, (event) => {
    onUpdate(event);
    if (isTerminal(event.state)) wake();
  });
  const stop = () => {
    events.close();
    wake();
  };
  signal?.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      signal?.throwIfAborted();
      // The job goes on without us; a line that is down for a while is no reason to stop looking.
      const job = await withRetries(() => client.job(jobId), { policy: PATIENT, signal });
      onUpdate(job);
      if (isTerminal(job.state)) return job;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, events.isOpen() ? POLL_WITH_EVENTS_MS : POLL_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    events.close();
  }
}

function openEvents(client: ApiClient, jobId: string, onEvent: (event: JobEvent) => void) {
  const url = new URL(`/v1/jobs/${jobId}/events`, client.baseUrl);
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = new WebSocket(url, { headers: { authorization: client.authorization } });
  socket.addEventListener('message', ({ data }) => {
    const event = JobEvent.safeParse(parseJson(String(data)));
    if (event.success) onEvent(event.data);
  });
  // A socket that fails leaves the polling; there is nothing else to do about it.
  socket.addEventListener('error', () => {});
  return { isOpen: () => socket.readyState === WebSocket.OPEN, close: () => socket.close() };
}

// A client of a job's event stream, as a page opens it.
import { SELF } from 'cloudflare:test';
import { expect, vi } from 'vitest';
import type { JobEvent } from '../../shared/api.ts';
import { bearer, ORIGIN, type TestJob } from './ledger-fixtures.ts';

export type Watcher = { events: JobEvent[]; texts: string[]; closes: number[]; socket: WebSocket };

/** Asks for a WebSocket, with a bearer token unless the query brings a ticket. */
export async function open(
  job: TestJob,
  query = '',
  headers: Record<string, string> = {},
): Promise<Response> {
  const all = new Headers({ Upgrade: 'websocket', ...headers });
  if (query === '') all.set('Authorization', await bearer(job.ownerId));
  return SELF.fetch(`${ORIGIN}/v1/jobs/${job.jobId}/events${query}`, { headers: all });
}

export async function watch(job: TestJob, query?: string): Promise<Watcher> {
  const response = await open(job, query);
  expect(response.status).toBe(101);
  const socket = response.webSocket as WebSocket;
  const watcher: Watcher = { events: [], texts: [], closes: [], socket };
  socket.addEventListener('message', ({ data }) => {
    const text = String(data);
    if (text.startsWith('{')) watcher.events.push(JSON.parse(text));
    else watcher.texts.push(text);
  });
  socket.addEventListener('close', ({ code }) => watcher.closes.push(code));
  socket.accept();
  return watcher;
}

/** Waits for an event; events before it stay in the list. */
export function seen(watcher: Watcher, part: Partial<JobEvent>): Promise<void> {
  return vi.waitFor(() => expect(watcher.events).toContainEqual(expect.objectContaining(part)), {
    timeout: 20_000,
  });
}

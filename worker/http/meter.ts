// What this isolate has counted since it last told the metrics store. Isolates share no memory and may be ended at
// any time: what one has not told by then is lost, and that is at most a few seconds of it.
import { SECOND_MS } from '../../shared/limits.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import { createTally, observe, type Series } from '../../shared/metrics.ts';
import { COUNTED_METRICS } from '../../shared/metrics-worker.ts';
import { configOf, type Env } from '../env.ts';

export const meter = createTally(COUNTED_METRICS);

/** Added to for every piece of media: a field costs less than to look a series up by its name. */
export const mediaCounts = { bytes: 0, memory: 0, edge: 0, storage: 0 };

const DURATIONS = COUNTED_METRICS.reelay_http_request_duration_seconds;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

type RequestNumbers = { requests: number[]; durations: number[] };
const numbersByRequest = new Map<string, RequestNumbers>();

type Answered = { method: string; route: string; status: number; durationMs: number };

/** @param answered.route a pattern, never a path: each is a series for ever */
export function countRequest({ method, route, status, durationMs }: Answered): void {
  const key = `${status} ${method} ${route}`;
  let numbers = numbersByRequest.get(key);
  if (!numbers) {
    const labels = { method: METHODS.has(method) ? method : 'other', route };
    numbers = {
      requests: meter.numbersOf('reelay_http_requests_total', { ...labels, status: String(status) }),
      durations: meter.numbersOf('reelay_http_request_duration_seconds', labels),
    };
    numbersByRequest.set(key, numbers);
  }
  numbers.requests[0]! += 1;
  observe(numbers.durations, DURATIONS, durationMs / 1000);
}

/** What one of the cron's chores has done, by what it was done to. */
export function countSwept(done: Record<string, number>): void {
  for (const [what, times] of Object.entries(done)) meter.count('reelay_swept_total', { what }, times);
}

export type MetricsBatch = { isolate: string; seq: number; series: Series[] };

let isolate: string | undefined;
let seq = 0;
/** On its way, or tried in vain: it is sent again under its number, which counts once. */
let unsent: MetricsBatch | undefined;
let nextTimerMs = 0;

/** For every request: every few seconds one of them waits, after its answer, and then tells what was counted. */
export function flushSoon(
  env: Env,
  log: Log,
  nowMs: number,
  waitUntil: (work: Promise<unknown>) => void,
  wait: (ms: number) => Promise<void> = (ms) => scheduler.wait(ms),
): void {
  if (nowMs < nextTimerMs || !env.METRICS) return;
  const flushMs = configOf(env).METRICS_FLUSH_SECONDS * SECOND_MS;
  if (flushMs === 0) return;
  nextTimerMs = nowMs + flushMs;
  waitUntil(wait(flushMs).then(() => flushMeter(env, log)));
}

/** Tells all that was counted. Never rejects: what could not be told is told the next time. */
export async function flushMeter(env: Env, log: Log): Promise<void> {
  if (!env.METRICS) return;
  try {
    if (unsent) await send(env, unsent);
    foldMediaCounts();
    const series = meter.drain();
    if (series.length === 0) return;
    isolate ??= crypto.randomUUID();
    unsent = { isolate, seq: ++seq, series };
    await send(env, unsent);
  } catch (error) {
    log.warn('metrics.flush_failed', errorFields(error));
  }
}

async function send(env: Env, batch: MetricsBatch): Promise<void> {
  await metricsStore(env).add(batch);
  if (unsent === batch) unsent = undefined;
}

/** One for the whole deployment: each isolate calls it every few seconds. */
export function metricsStore(env: Env) {
  return env.METRICS!.get(env.METRICS!.idFromName('all'));
}

function foldMediaCounts(): void {
  const { bytes, ...reads } = mediaCounts;
  if (bytes > 0) meter.count('reelay_media_bytes_total', {}, bytes);
  for (const [from, times] of Object.entries(reads)) {
    if (times > 0) meter.count('reelay_media_reads_total', { from }, times);
  }
  Object.assign(mediaCounts, { bytes: 0, memory: 0, edge: 0, storage: 0 });
}

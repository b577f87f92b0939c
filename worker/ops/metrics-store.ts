// What all isolates have counted, added up. In memory between two writes to storage; whoever reads gets only what
// is written, so that no counter ever goes back: Prometheus would take that for a new beginning.
import { DurableObject } from 'cloudflare:workers';
import { DAY_SECONDS, MINUTE_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { addSeries, type Series, seriesKey } from '../../shared/metrics.ts';
import { COUNTED_METRICS } from '../../shared/metrics-worker.ts';
import type { Env } from '../env.ts';
import type { MetricsBatch } from '../http/meter.ts';

/** Batches that have not been written when the object is moved are lost. */
const WRITE_MS = 10 * SECOND_MS;
const RECENT_MS = MINUTE_SECONDS * SECOND_MS;
/** Isolates whose last number is known; one that was away for longer than that sends nothing twice. */
const MAX_ISOLATES = 20_000;
const ISOLATE_MS = DAY_SECONDS * SECOND_MS;

export type MetricsReading = { sinceMs: number; series: Series[]; throughputBps: number };

type Stored = { sinceMs: number; series: Series[] };

export class MetricsStore extends DurableObject<Env> {
  readonly #sinceMs: number;
  readonly #totals = new Map<string, number[]>();
  readonly #lastSeqs = new Map<string, { seq: number; atMs: number }>();
  #recent: { atMs: number; bytes: number }[] = [];
  #isWritten = true;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const stored = ctx.storage.kv.get<Stored>('totals');
    this.#sinceMs = stored?.sinceMs ?? Date.now();
    addSeries(this.#totals, COUNTED_METRICS, stored?.series ?? []);
    if (!stored) this.#write();
  }

  /** Adds a batch, once: a repeat of the last one of its isolate changes nothing. */
  async add({ isolate, seq, series }: MetricsBatch): Promise<void> {
    const nowMs = Date.now();
    if (seq <= (this.#lastSeqs.get(isolate)?.seq ?? 0)) return;
    this.#lastSeqs.delete(isolate); // and to the end of the row of those to go
    this.#lastSeqs.set(isolate, { seq, atMs: nowMs });
    for (const [oldest, { atMs }] of this.#lastSeqs) {
      if (this.#lastSeqs.size <= MAX_ISOLATES && atMs > nowMs - ISOLATE_MS) break;
      this.#lastSeqs.delete(oldest);
    }
    addSeries(this.#totals, COUNTED_METRICS, series);
    const bytes = series.find(([key]) => key === seriesKey('reelay_media_bytes_total', []))?.[1][0] ?? 0;
    if (bytes > 0) this.#recent.push({ atMs: nowMs, bytes });
    this.#recent = this.#recent.filter(({ atMs }) => atMs > nowMs - RECENT_MS);
    if (!this.#isWritten) return;
    this.#isWritten = false;
    await this.ctx.storage.setAlarm(nowMs + WRITE_MS);
  }

  read(): MetricsReading {
    if (!this.#isWritten) this.#write();
    const fromMs = Date.now() - RECENT_MS;
    const bytes = this.#recent.reduce((sum, { atMs, bytes }) => sum + (atMs > fromMs ? bytes : 0), 0);
    return {
      sinceMs: this.#sinceMs,
      series: [...this.#totals],
      throughputBps: (8 * bytes * SECOND_MS) / RECENT_MS,
    };
  }

  override alarm(): void {
    if (!this.#isWritten) this.#write();
  }

  #write(): void {
    const stored: Stored = { sinceMs: this.#sinceMs, series: [...this.#totals] };
    this.ctx.storage.kv.put('totals', stored);
    this.#isWritten = true;
  }
}

// What the Worker tells of itself, asked for again and again while somebody looks, and how it went meanwhile.
import { useCallback, useEffect, useState } from 'react';
import type { Stats } from '../../../shared/metrics-api.ts';
import { type ApiFailure, api, asFailure } from '../api.ts';
import { currentSession } from '../session.ts';
import { readMetrics, type Sample } from './read-metrics.ts';

/** Isolates tell what they have counted every five seconds. */
const REFRESH_MS = 5000;
/** Five minutes. */
const KEPT_MOMENTS = 60;

export type Moment = { atMs: number; stats: Stats };

export type Metrics = {
  /** The newest last. */
  moments: Moment[];
  samples: Sample[];
  failure: ApiFailure | undefined;
  reload(): Promise<void>;
};

export function useMetrics(): Metrics {
  const [moments, setMoments] = useState<Moment[]>([]);
  const [samples, setSamples] = useState<Sample[]>([]);
  const [failure, setFailure] = useState<ApiFailure>();
  const reload = useCallback(async () => {
    try {
      const [stats, text] = await Promise.all([api<Stats>('GET', '/v1/stats'), metricsText()]);
      setMoments((before) => [...before, { atMs: Date.now(), stats }].slice(-KEPT_MOMENTS));
      setSamples(readMetrics(text));
      setFailure(undefined);
    } catch (error) {
      setFailure(asFailure(error));
    }
  }, []);
  useEffect(() => {
    void reload();
    const timer = setInterval(() => {
      if (!document.hidden) void reload();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, [reload]);
  return { moments, samples, failure, reload };
}

/** No JSON, so none of the API's. What goes wrong goes wrong with the numbers beside it too, and is told there. */
async function metricsText(): Promise<string> {
  const response = await fetch('/metrics', {
    cache: 'no-store',
    headers: { Authorization: `Bearer ${currentSession()?.token ?? ''}` },
  });
  return response.ok ? await response.text() : '';
}

/** Per second between one moment and the next; gaps where a count began anew. */
export function ratesOf(moments: readonly Moment[], count: (stats: Stats) => number): (number | undefined)[] {
  return moments.slice(1).map((moment, index) => {
    const before = moments[index]!;
    const grown = count(moment.stats) - count(before.stats);
    return grown < 0 ? undefined : (grown * 1000) / Math.max(1, moment.atMs - before.atMs);
  });
}

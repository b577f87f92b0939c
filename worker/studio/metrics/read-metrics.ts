// The text of /metrics, as this Worker writes it: one sample a line.
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details

export type Sample = { name: string; labels: Record<string, string>; value: number };

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export function readMetrics(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, pairs = '', value] = LINE.exec(line) ?? [];
    if (line.startsWith('#') || name === undefined) return [];
    const labels = Object.fromEntries(
      [...pairs.matchAll(LABEL)].map(([, label, quoted]) => [label, plain(quoted!)]),
    );
    return [{ name, labels, value: Number(value) }];
  });
}

function plain(quoted: string): string {
  return quoted.replace(/\\(.)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign));
}

export type Share = { label: string; value: number };

/** Samples of a metric added up by one of their labels, the largest first. */
export function sumsBy(samples: readonly Sample[], name: string, label: string): Share[] {
  const sums = new Map<string, number>();
  for (const sample of samples) {
    const value = sample.labels[label];
    if (sample.name === name && value !== undefined) sums.set(value, (sums.get(value) ?? 0) + sample.value);
  }
  return [...sums]
    .map(([key, value]) => ({ label: key, value }))
    .filter(({ value }) => value > 0)
    .sort((one, other) => other.value - one.value);
}

export type RouteRow = { route: string; requests: number; errors: number; meanSeconds: number | undefined };

/** What was asked for most. */
export function busiestRoutes(samples: readonly Sample[], most: number): RouteRow[] {
  const duration = 'reelay_http_request_duration_seconds';
  const failed = samples.filter(({ labels }) => (labels.status ?? '') >= '500');
  const of = (shares: Share[], route: string) => shares.find(({ label }) => label === route)?.value ?? 0;
  const seconds = sumsBy(samples, `${duration}_sum`, 'route');
  const counts = sumsBy(samples, `${duration}_count`, 'route');
  const errors = sumsBy(failed, 'reelay_http_requests_total', 'route');
  return sumsBy(samples, 'reelay_http_requests_total', 'route')
    .slice(0, most)
    .map(({ label: route, value: requests }) => {
      const count = of(counts, route);
      const meanSeconds = count > 0 ? of(seconds, route) / count : undefined;
      return { route, requests, errors: of(errors, route), meanSeconds };
    });
}

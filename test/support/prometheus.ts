// Prometheus text as a scraper takes it: read by a parser nobody here wrote, and held against what the format demands
// beyond that. https://prometheus.io/docs/instrumenting/exposition_formats/
import parse, { type Family } from 'parse-prometheus-text-format';
import type { MetricTable } from '../../shared/metrics.ts';

export type { Family };

/** Buckets, sums and counts of histograms are families of their own: the parser would make one of all their labels. */
export function readFamilies(text: string): Map<string, Family> {
  const flat = text.replace(/^# (?:TYPE|HELP) (\w+) .*\n/gm, (line, name: string) =>
    isHistogram(text, name) ? '' : line,
  );
  const families = new Map<string, Family>();
  for (const family of parse(flat)) {
    const known = families.get(family.name);
    if (known) known.metrics.push(...family.metrics);
    else families.set(family.name, family);
  }
  return families;
}

function isHistogram(text: string, name: string): boolean {
  return text.includes(`# TYPE ${name} histogram\n`);
}

/** The value of one series; undefined where it is not there. */
export function sampleValue(
  text: string,
  name: string,
  labels: Record<string, string> = {},
): number | undefined {
  const wanted = Object.entries(labels);
  const samples = readFamilies(text).get(name)?.metrics ?? [];
  const found = samples.find((sample) => wanted.every(([label, value]) => sample.labels?.[label] === value));
  return found?.value === undefined ? undefined : Number(found.value);
}

/** Whatever a text says that it must not, as sentences. */
export function breachesOf(text: string, table: MetricTable): string[] {
  const lines = text.split('\n').filter((line) => line !== '');
  const families = readFamilies(text);
  const known = new Set<string>();
  const breaches = text.endsWith('\n') ? [] : ['does not end with a line feed'];
  for (const [name, { type, labels, buckets }] of Object.entries(table)) {
    for (const line of [`# HELP ${name} `, `# TYPE ${name} ${type}`]) {
      const times = lines.filter((one) => one.startsWith(line)).length;
      if (times !== 1) breaches.push(`${name}: ${line.slice(2, 6)} is there ${times} times`);
    }
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const suffix of suffixes) {
      known.add(name + suffix);
      const wanted = [...labels, ...(suffix === '_bucket' ? ['le'] : [])].sort().join();
      for (const sample of families.get(name + suffix)?.metrics ?? []) {
        const found = Object.keys(sample.labels ?? {})
          .sort()
          .join();
        if (found !== wanted) breaches.push(`${name}${suffix}: has the labels ${found}`);
      }
    }
    if (buckets) breaches.push(...histogramBreaches(name, families, buckets));
  }
  for (const name of families.keys()) if (!known.has(name)) breaches.push(`${name}: is not in the table`);
  const series = lines.filter((line) => !line.startsWith('#')).map((line) => line.replace(/ [^ ]*$/, ''));
  breaches.push(
    ...series.filter((one, at) => series.indexOf(one) !== at).map((one) => `${one}: is there twice`),
  );
  return breaches;
}

/** The buckets of each series: as many as its row says, each with what is below it too, and the last with all. */
function histogramBreaches(name: string, families: Map<string, Family>, bounds: readonly number[]): string[] {
  const series = new Map<string, [bound: number, below: number][]>();
  for (const { labels = {}, value } of families.get(`${name}_bucket`)?.metrics ?? []) {
    const { le = '', ...others } = labels;
    const key = JSON.stringify(Object.entries(others).sort());
    const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
    series.set(key, [...(series.get(key) ?? []), [bound, Number(value)]]);
  }
  const of = (suffix: string) =>
    new Map(
      (families.get(name + suffix)?.metrics ?? []).map(({ labels = {}, value }) => [
        JSON.stringify(Object.entries(labels).sort()),
        Number(value),
      ]),
    );
  const [counts, sums] = [of('_count'), of('_sum')];
  return [...series].flatMap(([key, buckets]) => {
    const isWhole =
      JSON.stringify(buckets.map(([bound]) => bound)) ===
      JSON.stringify([...bounds, Number.POSITIVE_INFINITY]);
    const isCumulative = buckets.every(([, below], at) => at === 0 || below >= buckets[at - 1]![1]);
    return [
      ...(isWhole ? [] : [`${name}${key}: does not have the buckets of its row`]),
      ...(isCumulative ? [] : [`${name}${key}: its buckets are not cumulative`]),
      ...(counts.get(key) === buckets.at(-1)?.[1] ? [] : [`${name}${key}: its count is not that of +Inf`]),
      ...((sums.get(key) ?? -1) >= 0 ? [] : [`${name}${key}: has no sum`]),
    ];
  });
}

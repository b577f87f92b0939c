// Counting by a table of metrics, and the table with its numbers as Prometheus text. Numbers of a series are one
// array, so that sums of many isolates are sums of arrays: [value], or of a histogram [sum, one count per bucket].
// https://prometheus.io/docs/instrumenting/exposition_formats/

export type MetricRow = {
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  /** Values of each must be few: patterns, states and codes, never ids or paths. */
  labels: readonly string[];
  /** Upper bounds of a histogram, ascending; the one without a bound is understood. */
  buckets?: readonly number[];
};
export type MetricTable = Readonly<Record<string, MetricRow>>;

/** By {@link seriesKey}. */
export type Series = [key: string, numbers: number[]];

type NameOf<Table extends MetricTable, Type extends MetricRow['type']> = {
  [Name in keyof Table & string]: Table[Name]['type'] extends Type ? Name : never;
}[keyof Table & string];
export type LabelsOf<Table extends MetricTable, Name extends keyof Table> = Record<
  Table[Name]['labels'][number],
  string
>;

export type Tally<Table extends MetricTable> = {
  count<Name extends NameOf<Table, 'counter'>>(name: Name, labels: LabelsOf<Table, Name>, by?: number): void;
  observe<Name extends NameOf<Table, 'histogram'>>(
    name: Name,
    labels: LabelsOf<Table, Name>,
    value: number,
  ): void;
  set<Name extends NameOf<Table, 'gauge'>>(name: Name, labels: LabelsOf<Table, Name>, value: number): void;
  /** The numbers of a series, for whoever adds to them often. They stay its numbers. */
  numbersOf<Name extends keyof Table & string>(name: Name, labels: LabelsOf<Table, Name>): number[];
  /** All that is not zero. */
  series(): Series[];
  /** The same, and begins again at zero. */
  drain(): Series[];
};

/** Of series that are made up by mistake: more than a table with few labels ever has. */
const MAX_SERIES = 4000;

export function createTally<const Table extends MetricTable>(table: Table): Tally<Table> {
  const all = new Map<string, number[]>();
  const numbersOf = (name: string, labels: Record<string, string>): number[] => {
    const row = table[name]!;
    const key = seriesKey(
      name,
      row.labels.map((label) => labels[label] ?? ''),
    );
    const known = all.get(key);
    if (known) return known;
    const fresh = new Array<number>(lengthOf(row)).fill(0);
    if (all.size < MAX_SERIES) all.set(key, fresh);
    return fresh;
  };
  const series = (): Series[] =>
    [...all].flatMap(([key, numbers]): Series[] =>
      numbers.some((number) => number !== 0) ? [[key, [...numbers]]] : [],
    );
  return {
    numbersOf,
    series,
    count(name, labels, by = 1) {
      numbersOf(name, labels)[0]! += by;
    },
    observe: (name, labels, value) => observe(numbersOf(name, labels), table[name]!, value),
    set(name, labels, value) {
      numbersOf(name, labels)[0] = value;
    },
    drain() {
      const drained = series();
      for (const numbers of all.values()) numbers.fill(0);
      return drained;
    },
  };
}

/** Adds a value to a histogram's numbers. */
export function observe(numbers: number[], { buckets = [] }: MetricRow, value: number): void {
  let bucket = 0;
  while (bucket < buckets.length && value > buckets[bucket]!) bucket++;
  numbers[0]! += value;
  numbers[bucket + 1]! += 1;
}

const SEPARATOR = '\u0000';

export function seriesKey(name: string, values: readonly string[]): string {
  return [name, ...values].join(SEPARATOR);
}

export function readSeriesKey(key: string): { name: string; values: string[] } {
  const [name = '', ...values] = key.split(SEPARATOR);
  return { name, values };
}

/** Adds what others have counted; what the table does not know, or in other buckets, is from another version. */
export function addSeries(totals: Map<string, number[]>, table: MetricTable, added: readonly Series[]): void {
  for (const [key, numbers] of added) {
    const row = rowOf(table, key.split(SEPARATOR, 1)[0]!);
    if (!row || numbers.length !== lengthOf(row)) continue;
    const total = totals.get(key);
    if (!total && totals.size < MAX_SERIES) totals.set(key, [...numbers]);
    for (const at of total?.keys() ?? []) total![at]! += numbers[at]!;
  }
}

/** HELP and TYPE of every row, with its samples where there are any. */
export function prometheusText(table: MetricTable, series: Iterable<Series>): string {
  const byName = new Map<string, { values: string[]; numbers: number[] }[]>();
  for (const [key, numbers] of series) {
    const { name, values } = readSeriesKey(key);
    const row = rowOf(table, name);
    if (!row || row.labels.length !== values.length || numbers.length !== lengthOf(row)) continue;
    byName.set(name, [...(byName.get(name) ?? []), { values, numbers }]);
  }
  return Object.entries(table)
    .flatMap(([name, row]) => [
      `# HELP ${name} ${row.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`,
      `# TYPE ${name} ${row.type}`,
      ...samplesOf(name, row, byName.get(name) ?? []),
      '',
    ])
    .join('\n');
}

function rowOf(table: MetricTable, name: string): MetricRow | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function samplesOf(
  name: string,
  { labels, type, buckets = [] }: MetricRow,
  series: { values: string[]; numbers: number[] }[],
): string[] {
  return series.flatMap(({ values, numbers }) => {
    const pairs = labels.map((label, index) => `${label}="${escaped(values[index]!)}"`);
    const sample = (suffix: string, value: number, more: string[] = []) => {
      const all = [...pairs, ...more].join(',');
      return `${name}${suffix}${all === '' ? '' : `{${all}}`} ${value}`;
    };
    if (type !== 'histogram') return [sample('', numbers[0]!)];
    let below = 0;
    const cumulative = numbers.slice(1).map((count, index) => {
      below += count;
      return sample('_bucket', below, [`le="${buckets[index] ?? '+Inf'}"`]);
    });
    return [...cumulative, sample('_sum', numbers[0]!), sample('_count', below)];
  });
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function lengthOf({ type, buckets = [] }: MetricRow): number {
  return type === 'histogram' ? buckets.length + 2 : 1;
}

// Charts as plain SVG: a summary for screen readers and the numbers as a table to open beneath.
import type { ReactNode } from 'react';

export type Series = { name: string; values: (number | undefined)[] };

type Chart = {
  /** What it shows, as a sentence. */
  title: string;
  /** One per value, along the x axis. */
  labels: string[];
  series: Series[];
  /** A value as text, with its unit. */
  format?: (value: number) => string;
  /** The y axis reaches at least this far. */
  max?: number;
};

const WIDTH = 640;
const HEIGHT = 220;
const LEFT = 56;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 28;
const LINES = 4;
const MAX_X_LABELS = 8;

/** Values that are undefined leave a gap. */
export function LineChart(chart: Chart) {
  return (
    <ChartFrame {...chart}>
      {({ x, y }) =>
        chart.series.map(({ name, values }, index) => (
          <g key={name} fill="none" stroke={colourOf(index)} strokeWidth="2" strokeLinejoin="round">
            {runsOf(values).map((run) => (
              <polyline
                key={run[0]?.index}
                points={run.map(({ index: at, value }) => `${x(at)},${y(value)}`).join(' ')}
              />
            ))}
            {values.map((value, at) =>
              value === undefined ? null : (
                <circle key={chart.labels[at]} cx={x(at)} cy={y(value)} r="2" fill={colourOf(index)}>
                  <title>{`${chart.labels[at]}: ${textOf(chart, value)}`}</title>
                </circle>
              ),
            )}
          </g>
        ))
      }
    </ChartFrame>
  );
}

export function BarChart(chart: Chart) {
  const slot = (WIDTH - LEFT - RIGHT) / Math.max(1, chart.labels.length);
  const width = Math.max(1, Math.min(40, (slot * 0.7) / chart.series.length));
  return (
    <ChartFrame {...chart} isBars>
      {({ x, y }) =>
        chart.series.map(({ name, values }, index) =>
          values.map((value, at) =>
            value === undefined ? null : (
              <rect
                key={`${name}-${chart.labels[at]}`}
                x={x(at) + (index - chart.series.length / 2) * width}
                y={y(value)}
                width={Math.max(1, width - 1)}
                height={Math.max(0, HEIGHT - BOTTOM - y(value))}
                rx="2"
                fill={colourOf(index)}
              >
                <title>{`${name}, ${chart.labels[at]}: ${textOf(chart, value)}`}</title>
              </rect>
            ),
          ),
        )
      }
    </ChartFrame>
  );
}

type Scale = { x(index: number): number; y(value: number): number };

function ChartFrame({
  isBars = false,
  children,
  ...chart
}: Chart & { isBars?: boolean; children(scale: Scale): ReactNode }) {
  const { labels, series, title } = chart;
  const top = niceTop(Math.max(chart.max ?? 0, ...series.flatMap(({ values }) => values.map((v) => v ?? 0))));
  const inner = WIDTH - LEFT - RIGHT;
  const scale: Scale = {
    x: (index) =>
      isBars
        ? LEFT + ((index + 0.5) * inner) / Math.max(1, labels.length)
        : LEFT + (index * inner) / Math.max(1, labels.length - 1),
    y: (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM),
  };
  const every = Math.ceil(labels.length / MAX_X_LABELS);
  const ticks = Array.from({ length: LINES + 1 }, (_, index) => (top * index) / LINES);
  return (
    <figure style={{ margin: 0 }} className="stack">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} className="chart" role="img" aria-label={title}>
        {ticks.map((tick) => (
          <g key={tick}>
            <line x1={LEFT} x2={WIDTH - RIGHT} y1={scale.y(tick)} y2={scale.y(tick)} stroke="var(--line)" />
            <text x={LEFT - 8} y={scale.y(tick) + 4} textAnchor="end">
              {textOf(chart, tick)}
            </text>
          </g>
        ))}
        {labels.map((label, index) =>
          index % every === 0 ? (
            <text key={label} x={scale.x(index)} y={HEIGHT - 8} textAnchor="middle">
              {label}
            </text>
          ) : null,
        )}
        {children(scale)}
      </svg>
      {series.length > 1 ? (
        <div className="chart-legend">
          {series.map(({ name }, index) => (
            <span key={name}>
              <i style={{ background: colourOf(index) }} />
              {name}
            </span>
          ))}
        </div>
      ) : null}
      <ChartNumbers {...chart} />
    </figure>
  );
}

function ChartNumbers({ title, labels, series, ...chart }: Chart) {
  return (
    <details className="small">
      <summary className="quiet">As a table</summary>
      <div className="table-frame">
        <table className="table">
          <caption className="spoken">{title}</caption>
          <thead>
            <tr>
              <th scope="col">
                <span className="spoken">At</span>
              </th>
              {series.map(({ name }) => (
                <th key={name} scope="col" className="end">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {labels.map((label, index) => (
              <tr key={label}>
                <th scope="row">{label}</th>
                {series.map(({ name, values }) => (
                  <td key={name} className="end numbers">
                    {values[index] === undefined ? '–' : textOf(chart, values[index])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function runsOf(values: (number | undefined)[]): { index: number; value: number }[][] {
  const runs: { index: number; value: number }[][] = [];
  let run: { index: number; value: number }[] | undefined;
  values.forEach((value, index) => {
    if (value === undefined) run = undefined;
    else if (run) run.push({ index, value });
    else {
      run = [{ index, value }];
      runs.push(run);
    }
  });
  return runs;
}

function niceTop(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 2.5, 4, 5, 8, 10].find((candidate) => candidate * power >= value) ?? 10;
  return step * power;
}

function colourOf(index: number): string {
  return `var(--chart-${(index % 5) + 1})`;
}

function textOf({ format }: Pick<Chart, 'format'>, value: number): string {
  return format ? format(value) : String(Number(value.toFixed(2)));
}

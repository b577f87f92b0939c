// How the deployment is doing: figures, how they moved while the page was open, and where requests go.
import type { ReactNode } from 'react';
import { bitrateText, spanText } from '../ui/amounts.ts';
import { BarChart, LineChart } from '../ui/charts.tsx';
import { Empty, FailureNotice } from '../ui/notice.tsx';
import { PageHead } from '../ui/shell.tsx';
import { type Column, Table } from '../ui/table.tsx';
import { figuresOf } from './figures.ts';
import { busiestRoutes, type RouteRow, type Sample, type Share, sumsBy } from './read-metrics.ts';
import { type Moment, ratesOf, useMetrics } from './use-metrics.ts';
import './metrics.css';

const CLOCK = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const MOST_ROUTES = 10;
const MOST_CODES = 8;

export function Page() {
  const { moments, samples, failure, reload } = useMetrics();
  const stats = moments.at(-1)?.stats;
  if (failure?.code === 'forbidden') {
    return (
      <>
        <PageHead title="Metrics" />
        <Empty title="Metrics are for admins">
          <p>They are about everybody's videos. Sign in with an admin's token to see them.</p>
        </Empty>
      </>
    );
  }
  return (
    <>
      <PageHead
        title="Metrics"
        note={stats ? `Counted for ${spanText(stats.uptimeSeconds)}; anew every five seconds.` : undefined}
      />
      {failure ? (
        <FailureNotice failure={failure} title="The numbers are not new" onRetry={() => void reload()} />
      ) : null}
      {!stats && !failure ? <p className="quiet">One moment …</p> : null}
      {stats ? (
        <>
          <dl className="metrics-figures" aria-label="Figures">
            {figuresOf(stats).map(({ label, value, tone }) => (
              <div key={label} className="card figure" data-tone={tone}>
                <dt className="figure-label">{label}</dt>
                <dd className="figure-value">{value}</dd>
              </div>
            ))}
          </dl>
          <Meanwhile moments={moments} />
          <Requests samples={samples} />
        </>
      ) : null}
    </>
  );
}

/** Since the page was opened. */
function Meanwhile({ moments }: { moments: Moment[] }) {
  const later = moments.slice(1);
  const labels = later.map(({ atMs }) => CLOCK.format(atMs));
  const now = (count: (moment: Moment) => number) => later.map(count);
  return (
    <div className="metrics-charts">
      <ChartCard title="Media sent">
        <LineChart
          title="Bits per second of media sent while this page was open."
          labels={labels}
          series={[{ name: 'Sent', values: ratesOf(moments, ({ bytesSent }) => 8 * bytesSent) }]}
          format={bitrateText}
          max={100_000}
        />
      </ChartCard>
      <ChartCard title="Requests">
        <LineChart
          title="Requests and server errors per second while this page was open."
          labels={labels}
          series={[
            { name: 'Requests', values: ratesOf(moments, ({ requests }) => requests) },
            { name: 'Server errors', values: ratesOf(moments, ({ serverErrors }) => serverErrors) },
          ]}
          format={(value) => `${value < 10 ? value.toFixed(1) : Math.round(value)}/s`}
          max={1}
        />
      </ChartCard>
      <ChartCard title="Tasks">
        <LineChart
          title="Tasks that wait and that are at work while this page was open."
          labels={labels}
          series={[
            { name: 'Waiting', values: now(({ stats }) => stats.tasksReady) },
            { name: 'At work', values: now(({ stats }) => stats.tasksRunning) },
          ]}
          max={4}
        />
      </ChartCard>
    </div>
  );
}

const CODE_COLUMNS: Column<Share>[] = [
  { head: 'Code', cell: ({ label }) => <code>{label}</code> },
  { head: 'Requests', cell: ({ value }) => value.toLocaleString('en'), isEnd: true },
];

function Requests({ samples }: { samples: Sample[] }) {
  const routes = busiestRoutes(samples, MOST_ROUTES);
  const sources = sumsBy(samples, 'reelay_media_reads_total', 'from');
  const codes = sumsBy(samples, 'reelay_http_errors_total', 'code').slice(0, MOST_CODES);
  const columns: Column<RouteRow>[] = [
    { head: 'Route', cell: ({ route }) => <code>{route}</code> },
    { head: 'Requests', cell: ({ requests }) => requests.toLocaleString('en'), isEnd: true },
    { head: 'Server errors', cell: ({ errors }) => errors.toLocaleString('en'), isEnd: true },
    {
      head: 'Mean wait',
      cell: ({ meanSeconds }) => (meanSeconds === undefined ? '–' : `${Math.round(meanSeconds * 1000)} ms`),
      isEnd: true,
    },
  ];
  return (
    <div className="stack">
      <div className="card">
        <div className="card-head">
          <h2>Busiest routes</h2>
        </div>
        <Table caption="Busiest routes" columns={columns} rows={routes} keyOf={({ route }) => route} />
      </div>
      <div className="metrics-charts">
        {sources.length > 0 ? (
          <ChartCard title="Where media came from">
            <BarChart
              title="Reads of media from the Worker's memory, the edge cache and R2."
              labels={sources.map(({ label }) => label)}
              series={[{ name: 'Reads', values: sources.map(({ value }) => value) }]}
            />
          </ChartCard>
        ) : null}
        {codes.length > 0 ? (
          <div className="card">
            <div className="card-head">
              <h2>Refusals and failures</h2>
            </div>
            <Table
              caption="Refusals and failures by code"
              columns={CODE_COLUMNS}
              rows={codes}
              keyOf={({ label }) => label}
            />
          </div>
        ) : null}
      </div>
    </div>
  );
}

function ChartCard({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card" aria-label={title}>
      <div className="card-head">
        <h2>{title}</h2>
      </div>
      <div className="card-body">{children}</div>
    </section>
  );
}

// Who watches and how it plays: the numbers of GET /v1/videos/:id/analytics, as they are.
import { useState } from 'react';
import type { VideoAnalytics } from '../../../shared/analytics-api.ts';
import type { Video } from '../../../shared/api.ts';
import { useApi } from '../api.ts';
import { clockText, spanText } from '../ui/amounts.ts';
import { LineChart } from '../ui/charts.tsx';
import { SelectField, TextField } from '../ui/field.tsx';
import { FailureNotice } from '../ui/notice.tsx';
import './analytics.css';
import { analyticsQuery, type DateRange, rangeOfDays } from './date-range.ts';

const PRESETS = [
  ['7', 'Last 7 days'],
  ['28', 'Last 28 days'],
  ['90', 'Last 90 days'],
  ['365', 'Last 365 days'],
  ['own', 'Other dates'],
] as const;

export function AnalyticsPanel({ video }: { video: Video }) {
  const [preset, setPreset] = useState('28');
  const [range, setRange] = useState<DateRange>(() => rangeOfDays(28, Date.now()));
  const query = analyticsQuery(range);
  const path = `/v1/videos/${encodeURIComponent(video.id)}/analytics`;
  const { data, failure, isLoading, reload } = useApi<VideoAnalytics>(query && `${path}?${query}`);
  const choose = (value: string) => {
    setPreset(value);
    if (value !== 'own') setRange(rangeOfDays(Number(value), Date.now()));
  };
  return (
    <div className="stack video-panel video-analytics">
      <div className="row video-range">
        <SelectField
          label="Time"
          options={PRESETS}
          value={preset}
          onChange={(event) => choose(event.target.value)}
        />
        {preset === 'own' ? (
          <>
            <TextField
              label="From"
              type="date"
              value={range.from}
              onChange={(event) => setRange({ ...range, from: event.target.value })}
            />
            <TextField
              label="To, that day included"
              type="date"
              trouble={
                query === undefined ? 'Before the first day, or more than a year after it.' : undefined
              }
              value={range.to}
              onChange={(event) => setRange({ ...range, to: event.target.value })}
            />
          </>
        ) : null}
      </div>
      {failure ? <FailureNotice failure={failure} onRetry={() => void reload()} /> : null}
      {isLoading ? <p className="quiet">One moment …</p> : null}
      {data ? <Numbers data={data} video={video} /> : null}
    </div>
  );
}

function Numbers({ data, video }: { data: VideoAnalytics; video: Video }) {
  const { qoe } = data;
  return (
    <>
      <Figures
        title="Watching"
        figures={[
          ['Views', countText(data.views)],
          ['Viewers', countText(data.uniqueViewers)],
          ['Watch time', spanText(data.watchSeconds)],
          ['Average', spanText(data.averageWatchSeconds)],
          ['Watched of it', shareText(data.averageFraction)],
          ['Completed', shareText(data.completionRate)],
        ]}
      />
      {data.sessions === 0 ? (
        <p className="quiet video-none">Nobody has watched it in this time.</p>
      ) : (
        <DropOff data={data} durationSeconds={video.durationSeconds} />
      )}
      <Figures
        title="Quality of experience"
        figures={[
          ['Sessions', countText(qoe.sessions)],
          ['Start-up, median', qoe.startup ? `${qoe.startup.p50Ms} ms` : '–'],
          ['Start-up, 95%', qoe.startup ? `${qoe.startup.p95Ms} ms` : '–'],
          ['Rebuffering', shareText(qoe.rebufferRatio)],
          ['Stalls', countText(qoe.stalls)],
          ['Errors', shareText(qoe.errorRate)],
          [
            'Bitrate',
            qoe.averageBitrateKbps === undefined ? '–' : `${Math.round(qoe.averageBitrateKbps)} kb/s`,
          ],
          ['Switches', countText(qoe.switches)],
        ]}
      />
    </>
  );
}

function Figures({ title, figures }: { title: string; figures: [string, string][] }) {
  return (
    <section className="stack" aria-label={title}>
      <h3>{title}</h3>
      <dl className="video-figures" data-columns={figures.length % 4 === 0 ? 4 : 3}>
        {figures.map(([name, value]) => (
          <div key={name} className="figure">
            <dt className="figure-label">{name}</dt>
            <dd className="figure-value">{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** Each hundredth of the video, named by where it begins. */
function DropOff({
  data,
  durationSeconds = 0,
}: {
  data: VideoAnalytics;
  durationSeconds?: number | undefined;
}) {
  const { dropOff, rewatchPeaks } = data;
  const labels = dropOff.map((_, part) => `${part}%`);
  const peaks = rewatchPeaks.map(
    ({ fromSeconds, toSeconds, plays }) =>
      `${clockText(fromSeconds)} to ${clockText(toSeconds)} (${Number(plays.toFixed(2))} times)`,
  );
  const isShort = durationSeconds > 0 && durationSeconds < 100;
  return (
    <section className="stack" aria-label="Drop-off">
      <div className="row spread">
        <h3>Drop-off</h3>
        <span className="small quiet">
          Share of sessions that played each hundredth
          {durationSeconds > 0
            ? ` of ${isShort ? spanText(durationSeconds) : clockText(durationSeconds)}`
            : ''}
        </span>
      </div>
      <LineChart
        title={`Drop-off: ${shareText(dropOff[0])} play the beginning, ${shareText(dropOff.at(-1))} the end`}
        labels={labels}
        series={[{ name: 'Sessions', values: dropOff }]}
        format={shareText}
        max={1}
      />
      {peaks.length > 0 ? <p className="small quiet">Played again most: {peaks.join(', ')}.</p> : null}
    </section>
  );
}

/** Exact to what the API tells: four decimals of a share. */
function shareText(share: number | undefined): string {
  return share === undefined ? '–' : `${Number((100 * share).toFixed(2))}%`;
}

function countText(count: number): string {
  return count.toLocaleString('en');
}

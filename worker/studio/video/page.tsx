// One video: watch it, see how it is made, what it is, who watches it, and change it.
import { useState } from 'react';
import type { Video } from '../../../shared/api.ts';
import type { PlayAnswer } from '../../../shared/play-api.ts';
import { type PageProps, pageAt, replacePage } from '../router.ts';
import { mayUpload, useSession } from '../session.ts';
import { clockText, whenText } from '../ui/amounts.ts';
import { Badge, StateBadge } from '../ui/badge.tsx';
import { Empty, FailureNotice, Notice } from '../ui/notice.tsx';
import { Tabs } from '../ui/tabs.tsx';
import { Actions } from './actions.tsx';
import { Addresses } from './addresses.tsx';
import { AnalyticsPanel } from './analytics-panel.tsx';
import { CertificatePanel } from './certificate-panel.tsx';
import { FactsCard } from './facts-card.tsx';
import { JobCard } from './job-card.tsx';
import { OutputPanel } from './output-panel.tsx';
import { PlayerBox } from './player-box.tsx';
import { SettingsPanel } from './settings-panel.tsx';
import { SubtitlesPanel } from './subtitles-panel.tsx';
import { type LiveVideo, useVideo } from './use-video.ts';
import './video.css';

const TABS = [
  ['output', 'Renditions'],
  ['analytics', 'Analytics'],
  ['subtitles', 'Subtitles'],
  ['certificate', 'Certificate'],
  ['settings', 'Settings'],
] as const;
type Tab = (typeof TABS)[number][0];

export function Page({ id, query }: PageProps) {
  const live = useVideo(id);
  const { data: video, failure, reload } = live;
  if (!video && failure) {
    return failure.code === 'not_found' ? (
      <Empty title="There is no such video">
        <p>It may have been deleted, or belong to somebody else.</p>
        <a href={pageAt('library')}>To the library</a>
      </Empty>
    ) : (
      <FailureNotice title="The video cannot be shown" failure={failure} onRetry={() => void reload()} />
    );
  }
  if (!video) return <p className="quiet page-wait">One moment …</p>;
  return <VideoPage video={video} live={live} wanted={query.get('tab')} />;
}

function VideoPage({ video, live, wanted }: { video: Video; live: LiveVideo; wanted: string | null }) {
  const mayManage = mayUpload(useSession());
  const [session, setSession] = useState<PlayAnswer>();
  const { progress, reload, set } = live;
  const { job } = video;
  // What a viewer may read; the rest is for those who manage the library.
  const tabs = TABS.filter(([name]) => mayManage || name === 'output' || name === 'certificate');
  const tab: Tab = tabs.find(([name]) => name === wanted)?.[0] ?? 'output';
  return (
    <div className="video-page">
      <header className="video-head">
        <a className="small video-back" href={pageAt('library')}>
          ← Library
        </a>
        <div className="row spread">
          <div className="stack video-title">
            <h1>{video.title}</h1>
            <Subtitle video={video} />
          </div>
          <Actions video={video} mayManage={mayManage} onChange={reload} />
        </div>
      </header>
      <div className="video-main">
        <PlayerBox video={video} progress={progress} onSession={setSession} />
        {job && (job.state !== 'succeeded' || video.state !== 'ready') ? (
          <JobCard video={video} job={job} progress={progress} mayManage={mayManage} onChange={reload} />
        ) : null}
        {(video.warnings ?? []).map(({ code, detail }) => (
          <Notice key={detail} tone="warn" title="Something of the file was left out or mended">
            <p>{detail}</p>
            <code className="quiet">{code}</code>
          </Notice>
        ))}
        <section className="card">
          <div className="video-tabs">
            <Tabs
              label="About this video"
              tabs={tabs}
              current={tab}
              onChange={(next) => replacePage(`videos/${encodeURIComponent(video.id)}`, { tab: next })}
            >
              <Panel tab={tab} video={video} reload={reload} set={set} />
            </Tabs>
          </div>
        </section>
      </div>
      <aside className="video-side" aria-label="Facts and addresses">
        <FactsCard video={video} mayManage={mayManage} />
        <Addresses video={video} session={session} />
      </aside>
    </div>
  );
}

type PanelProps = { tab: Tab; video: Video } & Pick<LiveVideo, 'reload' | 'set'>;

function Panel({ tab, video, reload, set }: PanelProps) {
  switch (tab) {
    case 'analytics':
      return <AnalyticsPanel video={video} />;
    case 'subtitles':
      return <SubtitlesPanel video={video} onChange={reload} />;
    case 'certificate':
      return <CertificatePanel video={video} />;
    case 'settings':
      return <SettingsPanel key={video.id} video={video} onSaved={set} />;
    default:
      return <OutputPanel video={video} />;
  }
}

function Subtitle({ video }: { video: Video }) {
  return (
    <div className="row small quiet">
      <StateBadge state={video.state} />
      {video.durationSeconds === undefined ? null : (
        <span className="numbers">{clockText(video.durationSeconds)}</span>
      )}
      <span>Uploaded {whenText(video.createdAt)}</span>
      {video.visibility === 'public' ? <Badge>Public</Badge> : <Badge>Private</Badge>}
      {video.protection === 'none' ? null : <Badge tone="good">{video.protection}</Badge>}
    </div>
  );
}

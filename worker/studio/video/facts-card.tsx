// What the video is, in a few lines, and its original.
import { useState } from 'react';
import type { Video } from '../../../shared/api.ts';
import { pageAt } from '../router.ts';
import { bytesText, clockText, momentText } from '../ui/amounts.ts';
import { Badge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { CopyBox } from '../ui/copy-box.tsx';
import { FailureNotice } from '../ui/notice.tsx';
import { Progress } from '../ui/progress.tsx';
import { saveOriginal } from './save-original.ts';
import { useAction } from './use-action.ts';

export function FactsCard({ video, mayManage }: { video: Video; mayManage: boolean }) {
  return (
    <section className="card" aria-labelledby="facts-title">
      <div className="card-head">
        <h2 id="facts-title">Details</h2>
      </div>
      <div className="card-body">
        <dl className="facts video-facts">
          {factsOf(video).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        {video.tags.length > 0 ? (
          <div className="row">
            <span className="spoken">Tags:</span>
            {video.tags.map((tag) => (
              <Badge key={tag}>{tag}</Badge>
            ))}
          </div>
        ) : null}
        <CopyBox label="video id" text={video.id} />
        {video.job ? (
          <a className="small" href={pageAt(`jobs/${video.job.id}`)}>
            The latest job
          </a>
        ) : null}
        {mayManage && video.job && video.state !== 'deleting' ? <Original video={video} /> : null}
      </div>
    </section>
  );
}

function factsOf(video: Video): [string, string][] {
  const { width, height, frameRate, durationSeconds, sizeBytes, audio, chapters = [], regions } = video;
  const facts: [string, string | undefined][] = [
    ['Duration', durationSeconds === undefined ? undefined : clockText(durationSeconds)],
    ['Picture', width && height ? `${width} × ${height}` : undefined],
    ['Frame rate', frameRate === undefined ? undefined : `${Number(frameRate.toFixed(3))} fps`],
    ['Sound', audio.length > 0 ? languagesOf(audio) : undefined],
    ['Chapters', chapters.length > 0 ? String(chapters.length) : undefined],
    ['Published size', sizeBytes === undefined ? undefined : bytesText(sizeBytes)],
    ['Kind', video.kind],
    ['Content id', video.contentId],
    ['Regions', regions.length > 0 ? regions.join(', ') : 'everywhere'],
    ['Uploaded', momentText(video.createdAt)],
    ['Ready', video.readyAt === undefined ? undefined : momentText(video.readyAt)],
  ];
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
}

function languagesOf(audio: Video['audio']): string {
  return [...new Set(audio.map(({ label }) => label))].join(', ');
}

function Original({ video }: { video: Video }) {
  const [percent, setPercent] = useState<number>();
  const action = useAction();
  const save = async () => {
    setPercent(0);
    await action.run(() => saveOriginal(video.id, setPercent));
    setPercent(undefined);
  };
  return (
    <>
      <Button isBusy={action.isBusy} onClick={() => void save()}>
        Download the original
      </Button>
      {percent === undefined ? null : <Progress label="Downloading" percent={percent} />}
      {action.failure ? <FailureNotice failure={action.failure} /> : null}
    </>
  );
}

// One file on its way: what it is, how much of it is there, what is being made of it, where to watch it.
import type { Video } from '../../../shared/api.ts';
import { useApi } from '../api.ts';
import { isOpen } from '../follow-job.ts';
import { LiveProgress } from '../jobs/live-progress.tsx';
import { useLiveJob } from '../live-job.ts';
import { pageAt } from '../router.ts';
import { bytesText } from '../ui/amounts.ts';
import { Badge, StateBadge } from '../ui/badge.tsx';
import { Button, ButtonLink } from '../ui/button.tsx';
import { Progress } from '../ui/progress.tsx';
import type { Line } from './lines.ts';
import { whatItIs, whatWillBe } from './preflight.ts';

export function FileLine({ line, onForget }: { line: Line; onForget(): void }) {
  return (
    <li className="upload-line">
      <div className="row spread">
        <div className="upload-name">
          <strong>{line.name}</strong>
          <span className="quiet small numbers">{bytesText(line.sizeBytes)}</span>
        </div>
        {line.videoId ? null : <LineBadge line={line} />}
      </div>
      {line.videoId ? <Made videoId={line.videoId} /> : <Before line={line} onForget={onForget} />}
    </li>
  );
}

function Before({ line, onForget }: { line: Line; onForget(): void }) {
  const { verdict } = line;
  const isRefused = verdict?.verdict === 'refused';
  return (
    <>
      {verdict ? <p className="small quiet">{whatItIs(verdict)}</p> : null}
      {verdict?.reasons.map(({ code, detail }) => (
        <p key={code} className={isRefused ? 'small upload-trouble' : 'small quiet'}>
          {detail}
        </p>
      ))}
      {verdict && !isRefused ? <p className="small quiet">{whatWillBe(verdict)}</p> : null}
      {line.checkFailure ? (
        <p className="small quiet">It could not be checked before: {line.checkFailure.detail}</p>
      ) : null}
      {line.isGone ? (
        <p className="small upload-trouble">
          The browser no longer has this file. Choose it again above: the upload goes on where it was.
        </p>
      ) : null}
      {line.uploadError ? <p className="small upload-trouble">{line.uploadError}</p> : null}
      {line.percent !== undefined && !line.isUploaded ? (
        <Progress
          label={line.isPaused ? 'Paused' : 'Uploading'}
          percent={line.percent}
          note={`${bytesText(line.bytesUploaded)} of ${bytesText(line.sizeBytes)}`}
        />
      ) : null}
      {isRefused ? (
        <div>
          <Button size="small" onClick={onForget}>
            Remove
          </Button>
        </div>
      ) : null}
    </>
  );
}

function LineBadge({ line }: { line: Line }) {
  if (line.verdict?.verdict === 'refused') return <Badge tone="bad">Cannot be used</Badge>;
  if (line.uploadError) return <Badge tone="bad">Failed</Badge>;
  if (line.isUploaded) return <Badge tone="busy">Uploaded</Badge>;
  if (line.isPaused) return <Badge tone="warn">Paused</Badge>;
  if (line.percent !== undefined) return <Badge tone="busy">Uploading</Badge>;
  if (line.verdict?.verdict === 'accepted') return <Badge tone="good">Good to go</Badge>;
  if (line.verdict || line.checkFailure) return <Badge>Can be tried</Badge>;
  return <Badge tone="busy">Checking</Badge>;
}

/** The upload is there; from here on the video tells. */
function Made({ videoId }: { videoId: string }) {
  const { data: video, reload } = useApi<Video>(`/v1/videos/${videoId}`);
  const job = video?.job;
  const event = useLiveJob(isOpen(job) ? job.id : undefined, () => void reload());
  const live = event ?? job;
  const isWatchable = video?.state === 'ready' || video?.state === 'playable';
  return (
    <>
      {isOpen(job) && live ? <LiveProgress live={live} /> : null}
      {video?.error ? <p className="small upload-trouble">{video.error.detail}</p> : null}
      <div className="row">
        {video ? <StateBadge state={video.state} /> : null}
        <ButtonLink size="small" tone={isWatchable ? 'main' : 'quiet'} href={pageAt(`videos/${videoId}`)}>
          {isWatchable ? 'Watch' : 'To the video'}
        </ButtonLink>
        {video?.state === 'failed' && job ? (
          <ButtonLink size="small" href={pageAt(`jobs/${job.id}`)}>
            What went wrong
          </ButtonLink>
        ) : null}
      </div>
    </>
  );
}

import type { Video } from '../../../shared/api.ts';
import { isOpen } from '../follow-job.ts';
import { LiveProgress } from '../jobs/live-progress.tsx';
import { useLiveJob } from '../live-job.ts';
import { pageAt } from '../router.ts';
import { clockText, whenText } from '../ui/amounts.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Icon } from '../ui/icons.tsx';
import { Poster } from './poster.tsx';

type Props = {
  video: Video;
  mayDelete: boolean;
  /** Its state has changed: it is to be read again. */
  onChange(): void;
  onDelete(): void;
};

export function VideoCard({ video, mayDelete, onChange, onDelete }: Props) {
  const { job } = video;
  const event = useLiveJob(isOpen(job) ? job.id : undefined, onChange);
  const live = event ?? job;
  const href = pageAt(`videos/${video.id}`);
  return (
    <article className="video-card">
      <div className="video-card-picture">
        <Poster video={video} />
        {video.durationSeconds === undefined ? null : (
          <span className="video-card-length numbers">{clockText(video.durationSeconds)}</span>
        )}
      </div>
      <div className="video-card-text">
        <div className="row spread video-card-head">
          <h2>
            <a href={href}>{video.title}</a>
          </h2>
          {mayDelete ? (
            <button
              type="button"
              className="icon-button"
              aria-label={`Delete ${video.title}`}
              onClick={onDelete}
            >
              <Icon name="bin" />
            </button>
          ) : null}
        </div>
        <div className="row small quiet">
          <StateBadge state={video.state} />
          <span>{factsOf(video)}</span>
        </div>
        {isOpen(job) && live ? <LiveProgress live={live} /> : null}
        {video.state === 'failed' && video.error ? (
          <p className="video-card-error small">{video.error.detail}</p>
        ) : null}
      </div>
    </article>
  );
}

function factsOf({ kind, width, height, visibility, createdAt }: Video): string {
  return [
    ...(kind === 'video' ? [] : [kind === 'movie' ? 'Movie' : 'Episode']),
    ...(width && height ? [`${Math.min(width, height)}p`] : []),
    ...(visibility === 'public' ? ['public'] : []),
    whenText(createdAt),
  ].join(' · ');
}

// A video and its job as they change: told by the job's event stream, read again where there is none.
import { useEffect } from 'react';
import type { Job, JobEvent, Video } from '../../../shared/api.ts';
import { type Loaded, useApi } from '../api.ts';
import { isOpen } from '../follow-job.ts';
import { useLiveJob } from '../live-job.ts';

export type JobProgress = Pick<Job, 'state' | 'progress' | 'stage' | 'etaSeconds'>;

const POLL_MS = 3000;

export type LiveVideo = Loaded<Video> & { progress: JobProgress | undefined };

export function useVideo(videoId: string): LiveVideo {
  const loaded = useApi<Video>(`/v1/videos/${encodeURIComponent(videoId)}`);
  const { data: video, reload } = loaded;
  const job = video?.job;
  const news = useLiveJob(isOpen(job) ? job.id : undefined, () => void reload());
  // Counts of tasks, and a video that waits for its upload, are told by no event.
  const isMoving = video !== undefined && (isOpen(job) || isWaiting(video));
  useEffect(() => {
    if (!isMoving) return;
    const timer = setInterval(() => void reload(), POLL_MS);
    return () => clearInterval(timer);
  }, [isMoving, reload]);
  return { ...loaded, progress: job && progressOf(job, news) };
}

export function isWatchable({ state }: Video): boolean {
  return state === 'playable' || state === 'ready';
}

function isWaiting({ state }: Video): boolean {
  return state === 'created' || state === 'uploading' || state === 'processing';
}

/** The later word of the two: progress never falls, and a job that has ended has no news. */
function progressOf(job: Job, news: JobEvent | undefined): JobProgress {
  const isLater = news !== undefined && news.progress >= job.progress;
  const { state, progress, stage, etaSeconds } = isLater ? news : job;
  return { state, progress, stage, ...(etaSeconds === undefined ? {} : { etaSeconds }) };
}

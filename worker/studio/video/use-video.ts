// A video and its job as they change: told by the job's event stream, read again where there is none.
import { useCallback, useEffect, useRef, useState } from 'react';
import type { Job, JobEvent, Video } from '../../../shared/api.ts';
import { jobEventsUrl, type Loaded, useApi } from '../api.ts';
import { isOpen } from '../follow-job.ts';

export type JobProgress = Pick<Job, 'state' | 'progress' | 'stage' | 'etaSeconds'>;

const POLL_MS = 3000;
const RECONNECT_MS = 2000;
/** The room answers `ping` with `pong` even while it has no news. */
const PING_MS = 10_000;

export type LiveVideo = Loaded<Video> & { progress: JobProgress | undefined };

export function useVideo(videoId: string): LiveVideo {
  const loaded = useApi<Video>(`/v1/videos/${encodeURIComponent(videoId)}`);
  const { data: video, reload } = loaded;
  const [news, setNews] = useState<JobEvent>();
  const job = video?.job;
  const onEvent = useCallback(
    (event: JobEvent) => {
      setNews(event);
      if (event.type !== 'progress' && event.type !== 'snapshot') void reload();
    },
    [reload],
  );
  useJobEvents(isOpen(job) ? job.id : undefined, onEvent);
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

/** The later word of the two: progress never falls, and an end is an end. */
function progressOf(job: Job, news: JobEvent | undefined): JobProgress {
  const isLater = news?.jobId === job.id && isOpen(job) && news.progress >= job.progress;
  const { state, progress, stage, etaSeconds } = isLater ? news : job;
  return { state, progress, stage, ...(etaSeconds === undefined ? {} : { etaSeconds }) };
}

/** Listens while there is a job to listen to; a stream that breaks is opened again. */
function useJobEvents(jobId: string | undefined, onEvent: (event: JobEvent) => void): void {
  const listener = useRef(onEvent);
  listener.current = onEvent;
  useEffect(() => {
    if (jobId === undefined) return;
    let socket: WebSocket | undefined;
    let isOver = false;
    let again: ReturnType<typeof setTimeout> | undefined;
    const open = async () => {
      try {
        const url = await jobEventsUrl(jobId);
        if (isOver) return;
        socket = new WebSocket(url);
        socket.onmessage = ({ data }) => {
          if (data !== 'pong') listener.current(JSON.parse(data) as JobEvent);
        };
        socket.onclose = reopen;
      } catch {
        reopen(); // the page goes on by reading the video
      }
    };
    const reopen = () => {
      if (!isOver) again = setTimeout(() => void open(), RECONNECT_MS);
    };
    const pulse = setInterval(() => {
      if (socket?.readyState === WebSocket.OPEN) socket.send('ping');
    }, PING_MS);
    void open();
    return () => {
      isOver = true;
      clearTimeout(again);
      clearInterval(pulse);
      socket?.close();
    };
  }, [jobId]);
}

// Waits until a video is playable or has failed, and then until it is ready: the job's event stream shows progress
// live, reading the video every few seconds does where there is no stream.
import type { Job, JobEvent, Video } from '../../shared/api.ts';
import { type WatchApi, wait } from './api-client.ts';

export type JobProgress = { percent: number; stage: string; etaSeconds?: number };

const POLL_MS = 2000;
/** Between the news of a job's end and reading the video again. */
const SETTLE_MS = 100;
/** The room answers `ping` with `pong` even while it has no news. */
const PING_MS = 10_000;
/** A stream that says nothing for this long is dead. */
const SILENCE_MS = 25_000;

type OnProgress = (video: Video, progress?: JobProgress) => void;

/** @returns the video in state `playable`, `ready` or `failed`. */
export function followUntilPlayable(api: WatchApi, onProgress: OnProgress): Promise<Video> {
  return follow(api, onProgress, {
    isThere: ({ state }) => state === 'ready' || state === 'playable' || state === 'failed',
    isLast: (event) => hasEnded(event) || event.type === 'playable',
  });
}

/** Goes on with a video that is playable. @returns it when nothing more is done for it. */
export function followUntilDone(api: WatchApi, onProgress: OnProgress): Promise<Video> {
  return follow(api, onProgress, {
    // A copy that is whole stays playable though the rest has failed.
    isThere: ({ state, job }) => state === 'ready' || state === 'failed' || !isOpen(job),
    isLast: hasEnded,
  });
}

type Aim = { isThere(video: Video): boolean; isLast(event: JobEvent): boolean };

async function follow(api: WatchApi, onProgress: OnProgress, { isThere, isLast }: Aim): Promise<Video> {
  for (;;) {
    const video = await api.video();
    if (isThere(video)) return video;
    const { job } = video;
    onProgress(video, job && { percent: job.progress, stage: job.stage, etaSeconds: job.etaSeconds });
    const onEvent = ({ progress, stage, etaSeconds }: JobEvent) =>
      onProgress(video, { percent: progress, stage, etaSeconds });
    const isOver = isOpen(job) && (await listen(api, job.id, onEvent, isLast));
    await wait(isOver ? SETTLE_MS : POLL_MS);
  }
}

export function isOpen<One extends Pick<Job, 'state'>>(job: One | undefined): job is One {
  return job?.state === 'queued' || job?.state === 'running';
}

/** Listens to a job's events until the last one (true), the end of the stream or of interest (false). */
export async function listen(
  api: Pick<WatchApi, 'eventsUrl'>,
  jobId: string,
  onEvent: (event: JobEvent) => void,
  isLast: (event: JobEvent) => boolean,
  signal?: AbortSignal,
): Promise<boolean> {
  let url: string;
  try {
    url = await api.eventsUrl(jobId);
  } catch {
    return false; // no stream to be had: the caller goes on reading the video
  }
  if (signal?.aborted) return false;
  const socket = new WebSocket(url);
  let heardMs = Date.now();
  const pulse = setInterval(() => {
    if (Date.now() - heardMs > SILENCE_MS) socket.close();
    else if (socket.readyState === WebSocket.OPEN) socket.send('ping');
  }, PING_MS);
  const isOver = await new Promise<boolean>((resolve) => {
    socket.onclose = () => resolve(false);
    signal?.addEventListener('abort', () => resolve(false), { once: true });
    socket.onmessage = ({ data }) => {
      heardMs = Date.now();
      if (data === 'pong') return;
      const event = JSON.parse(data) as JobEvent;
      onEvent(event);
      // Not waiting for the closing handshake: the video is there to be played now.
      if (isLast(event)) resolve(true);
    };
  });
  clearInterval(pulse);
  socket.close();
  return isOver;
}

export function hasEnded({ type, state }: JobEvent): boolean {
  const isOver = state === 'succeeded' || state === 'failed' || state === 'cancelled';
  return isOver || type === 'ready' || type === 'failed';
}

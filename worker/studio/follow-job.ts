// Waits until a video is playable or has failed: the job's event stream shows progress live, reading the video
// every few seconds does where there is no stream.
import type { JobEvent, Video } from '../../shared/api.ts';
import { type WatchApi, wait } from './api-client.ts';

export type JobProgress = { percent: number; stage: string; etaSeconds?: number };

const POLL_MS = 2000;
/** Between the news of a job's end and reading the video again. */
const SETTLE_MS = 100;
/** The room answers `ping` with `pong` even while it has no news. */
const PING_MS = 10_000;
/** A stream that says nothing for this long is dead. */
const SILENCE_MS = 25_000;

/** @returns the video in state `playable`, `ready` or `failed`. */
export async function followUntilSettled(
  api: WatchApi,
  onProgress: (video: Video, progress?: JobProgress) => void,
): Promise<Video> {
  for (;;) {
    const video = await api.video();
    if (video.state === 'ready' || video.state === 'playable' || video.state === 'failed') return video;
    const { job } = video;
    onProgress(video, job && { percent: job.progress, stage: job.stage, etaSeconds: job.etaSeconds });
    const isJobOpen = job?.state === 'queued' || job?.state === 'running';
    const isOver =
      isJobOpen &&
      (await listen(api, job.id, (event) =>
        onProgress(video, { percent: event.progress, stage: event.stage, etaSeconds: event.etaSeconds }),
      ));
    await wait(isOver ? SETTLE_MS : POLL_MS);
  }
}

/** Listens to a job's events until the job ends (true) or the stream does (false). */
async function listen(api: WatchApi, jobId: string, onEvent: (event: JobEvent) => void): Promise<boolean> {
  let url: string;
  try {
    url = await api.eventsUrl(jobId);
  } catch {
    return false; // no stream to be had: the caller goes on reading the video
  }
  const socket = new WebSocket(url);
  let heardMs = Date.now();
  const pulse = setInterval(() => {
    if (Date.now() - heardMs > SILENCE_MS) socket.close();
    else if (socket.readyState === WebSocket.OPEN) socket.send('ping');
  }, PING_MS);
  const isOver = await new Promise<boolean>((resolve) => {
    socket.onclose = () => resolve(false);
    socket.onmessage = ({ data }) => {
      heardMs = Date.now();
      if (data === 'pong') return;
      const event = JSON.parse(data) as JobEvent;
      onEvent(event);
      // Not waiting for the closing handshake: the video is there to be played now.
      if (hasEnded(event)) resolve(true);
    };
  });
  clearInterval(pulse);
  socket.close();
  return isOver;
}

function hasEnded({ type, state }: JobEvent): boolean {
  const isOver = state === 'succeeded' || state === 'failed' || state === 'cancelled';
  return isOver || type === 'playable' || type === 'ready' || type === 'failed';
}

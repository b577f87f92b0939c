// Waits until a video is playable or has failed: the job's event stream shows progress live, reading the video
// every few seconds does where there is no stream.
import type { JobEvent, Video } from '../../shared/api.ts';
import { type WatchApi, wait } from './api-client.ts';

export type JobProgress = { percent: number; stage: string; etaSeconds?: number };

const POLL_MS = 2000;
/** A stream that says nothing for this long is taken for dead. */
const SILENCE_MS = 15_000;

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
    if (job?.state === 'queued' || job?.state === 'running') {
      await listen(api, job.id, (event) =>
        onProgress(video, { percent: event.progress, stage: event.stage, etaSeconds: event.etaSeconds }),
      );
    }
    await wait(POLL_MS);
  }
}

/** Listens to a job's events until the job ends or the stream does. */
async function listen(api: WatchApi, jobId: string, onEvent: (event: JobEvent) => void): Promise<void> {
  let url: string;
  try {
    url = await api.eventsUrl(jobId);
  } catch {
    return; // no stream to be had: the caller goes on reading the video
  }
  const socket = new WebSocket(url);
  await new Promise<void>((resolve) => {
    let silence = setTimeout(() => socket.close(), SILENCE_MS);
    socket.onclose = () => {
      clearTimeout(silence);
      resolve();
    };
    socket.onmessage = ({ data }) => {
      clearTimeout(silence);
      silence = setTimeout(() => socket.close(), SILENCE_MS);
      const event = JSON.parse(data) as JobEvent;
      onEvent(event);
      if (hasEnded(event)) {
        // Not waiting for the closing handshake: the video is there to be played now.
        clearTimeout(silence);
        socket.close();
        resolve();
      }
    };
  });
}

function hasEnded({ type, state }: JobEvent): boolean {
  const isOver = state === 'succeeded' || state === 'failed' || state === 'cancelled';
  return isOver || type === 'playable' || type === 'ready' || type === 'failed';
}

// The visible story of one file, from the first byte to the play URLs. The upload command and the demo tell it.
import type { Job } from '../../shared/api.ts';
import type { PlayAnswer, WatchLink } from '../../shared/play-api.ts';
import { type ApiClient, ApiFailure } from './api-client.ts';
import { followJob, type JobUpdate } from './follow-job.ts';
import { createProgressBar, type ProgressBar } from './progress-bar.ts';
import {
  createTransferMeter,
  formatBytes,
  formatSeconds,
  type TransferMeter,
  transferNote,
} from './transfer-meter.ts';
import { type UploadRequest, type UploadResult, uploadFile } from './upload-file.ts';

export type ShownUpload = { upload: UploadResult; play: PlayAnswer; watch: WatchLink };

const SILENT: ProgressBar = { update: () => {}, finish: () => {}, leave: () => {} };
/** Often enough that the seconds left count down while nothing moves. */
const REFRESH_MS = 250;

type ShowOptions = { isQuiet?: boolean; signal?: AbortSignal };

/** @throws UploadInterrupted; ApiFailure with the job's own code when the transcode fails; the signal's reason */
export async function showUpload(
  client: ApiClient,
  request: UploadRequest & { sizeBytes: number },
  { isQuiet = false, signal }: ShowOptions = {},
): Promise<ShownUpload> {
  const bar = (label: string) => (isQuiet ? SILENT : createProgressBar(label));
  const note = (text: string) => void (isQuiet || console.log(`  ${text}`));
  const upload = await sendShown(client, request, bar('upload'), note, signal);
  const job = await followShown(client, upload, bar('transcode'), note, signal);
  // Whatever the job came to, another run of the same command is about another upload.
  await request.journal?.remove();
  if (job.state !== 'succeeded') {
    const { code, detail } = job.error ?? { code: 'job_cancelled', detail: `The job ended as ${job.state}.` };
    throw new ApiFailure(code, detail, 422);
  }
  const [play, watch] = await Promise.all([client.play(upload.videoId), client.watchLink(upload.videoId)]);
  return { upload, play, watch };
}

async function sendShown(
  client: ApiClient,
  request: UploadRequest & { sizeBytes: number },
  bar: ProgressBar,
  onNote: (text: string) => void,
  signal: AbortSignal | undefined,
): Promise<UploadResult> {
  const { sizeBytes } = request;
  const startedAtMs = Date.now();
  let meter: TransferMeter | undefined;
  let sentBytes = 0;
  let waitUntilMs = 0;
  const draw = () => {
    if (!meter) return;
    meter.sample(sentBytes);
    const waitMs = waitUntilMs - Date.now();
    const trouble = waitMs > 0 ? `, no answer, next try in ${formatSeconds(waitMs / 1000)}` : '';
    const text = trouble ? `${formatBytes(sentBytes)}${trouble}` : transferNote(meter, sentBytes, sizeBytes);
    bar.update(sentBytes / sizeBytes, text);
  };
  const timer = setInterval(draw, REFRESH_MS);
  try {
    const upload = await uploadFile(client, request, {
      signal,
      onNote,
      onBytes: (bytes, resumedBytes) => {
        if (!meter) {
          meter = createTransferMeter(sizeBytes, resumedBytes);
          if (resumedBytes > 0) onNote(`Going on: ${formatBytes(resumedBytes)} are already there.`);
        }
        if (bytes > sentBytes) waitUntilMs = 0;
        sentBytes = bytes;
        draw();
      },
      onWait: (_error, delayMs) => {
        waitUntilMs = Date.now() + delayMs;
      },
    });
    bar.finish(`${formatBytes(sizeBytes)} in ${formatSeconds((Date.now() - startedAtMs) / 1000)}`);
    return upload;
  } catch (error) {
    bar.leave();
    throw error;
  } finally {
    clearInterval(timer);
  }
}

async function followShown(
  client: ApiClient,
  { jobId, videoId }: UploadResult,
  bar: ProgressBar,
  onNote: (text: string) => void,
  signal: AbortSignal | undefined,
): Promise<Job> {
  const startedAtMs = Date.now();
  let isOver = false;
  const tellPlayable = async () => {
    try {
      const { url } = await client.watchLink(videoId);
      if (isOver) return;
      bar.leave();
      onNote(`Playable already: ${url}`);
    } catch {
      // The link is printed at the end as well; there is nothing to stop for.
    }
  };
  const showProgress = ({ progress, stage, etaSeconds, type }: JobUpdate) => {
    const eta = etaSeconds === undefined ? '' : `, ${etaSeconds} s left`;
    bar.update(Math.min(progress, 99) / 100, `${stage}${eta}`);
    if (type === 'playable') void tellPlayable();
  };
  try {
    const job = await followJob(client, jobId, showProgress, signal);
    if (job.state === 'succeeded') bar.finish(`${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`);
    else bar.leave();
    return job;
  } catch (error) {
    bar.leave();
    throw error;
  } finally {
    isOver = true;
  }
}

/** Aligned rows of what can be played; the watch link comes last. */
export function playRows({ play, watch }: ShownUpload): string[] {
  const rows: [string, string | undefined][] = [
    ['HLS', play.hls],
    ['DASH', play.dash],
    ['progressive', play.progressive],
    ['poster', play.poster],
    ['watch', watch.url],
  ];
  return rows.flatMap(([name, url]) => (url ? [`  ${name.padEnd(13)} ${url}`] : []));
}

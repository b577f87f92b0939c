// The visible story of one file, from the first byte to the play URLs. The upload command and the demo tell it.
import type { PlayAnswer, VideoInput, WatchLink } from '../../shared/api.ts';
import { type ApiClient, ApiFailure } from './api-client.ts';
import { followJob, type JobUpdate } from './follow-job.ts';
import { createProgressBar, formatBytes, type ProgressBar } from './progress-bar.ts';
import { type UploadRequest, type UploadResult, uploadFile } from './upload-file.ts';

export type ShownUpload = { upload: UploadResult; play: PlayAnswer; watch: WatchLink };

const SILENT: ProgressBar = { update: () => {}, finish: () => {} };

/** @throws ApiFailure with the job's own code when the transcode fails */
export async function showUpload(
  client: ApiClient,
  request: UploadRequest & { sizeBytes: number; video: VideoInput },
  { isQuiet = false, signal }: { isQuiet?: boolean; signal?: AbortSignal } = {},
): Promise<ShownUpload> {
  const bar = (label: string) => (isQuiet ? SILENT : createProgressBar(label));
  const uploadBar = bar('upload');
  const upload = await uploadFile(client, request, (bytes) =>
    uploadBar.update(bytes / request.sizeBytes, formatBytes(bytes)),
  );
  uploadBar.finish(formatBytes(request.sizeBytes));

  const startedAtMs = Date.now();
  const jobBar = bar('transcode');
  const showProgress = ({ progress, stage, etaSeconds }: JobUpdate) => {
    const eta = etaSeconds === undefined ? '' : `, ${etaSeconds} s left`;
    jobBar.update(Math.min(progress, 99) / 100, `${stage}${eta}`);
  };
  const job = await followJob(client, upload.jobId, showProgress, signal);
  if (job.state !== 'succeeded') {
    const { code, detail } = job.error ?? { code: 'job_cancelled', detail: `The job ended as ${job.state}.` };
    throw new ApiFailure(code, detail, 422);
  }
  jobBar.finish(`${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`);
  const [play, watch] = await Promise.all([client.play(upload.videoId), client.watchLink(upload.videoId)]);
  return { upload, play, watch };
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

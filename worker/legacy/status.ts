// A job as the older API tells of it.
import { AppError } from '../../shared/errors.ts';
import { type LegacyStatus, legacyId } from '../../shared/legacy-api.ts';
import { Presentation } from '../../shared/messages.ts';
import { MASTER_PLAYLIST, titlePrefix } from '../../shared/object-keys.ts';
import type { Env } from '../env.ts';
import { type LiveProgress, renderJob } from '../jobs/render.ts';
import type { JobRow } from '../jobs/store.ts';
import { withR2Retries } from '../r2.ts';

export type LegacyVideo = {
  kind: 'movie' | 'episode';
  content_id: string;
  presentation: string | null;
  output_prefix: string | null;
};

const STATUS = {
  queued: 'queued',
  running: 'processing',
  succeeded: 'completed',
  failed: 'failed',
  cancelled: 'failed',
} as const;

const STAGES: Record<string, string> = {
  queued: 'Waiting for a transcoder',
  importing: 'Fetching the video',
  planning: 'Reading the video',
  encoding: 'Converting the video to HLS',
  finishing: 'Checking the finished video',
  succeeded: 'The video is ready',
  cancelled: 'The job was cancelled',
};

/** Objects are counted a thousand at a time; a film of twelve hours in seven sizes has 60,000. */
const MAX_LISTINGS = 100;

/** The title a job is about. @throws AppError `not_found` for videos that the older API cannot name. */
export async function legacyVideoOf(db: D1Database, videoId: string): Promise<LegacyVideo> {
  const video = await db
    .prepare(
      `SELECT kind, content_id, presentation, output_prefix FROM videos
       WHERE id = ? AND state <> 'deleting' AND kind IN ('movie', 'episode') AND content_id IS NOT NULL`,
    )
    .bind(videoId)
    .first<LegacyVideo>();
  if (!video) throw new AppError('not_found', { detail: 'There is no such job.' });
  return video;
}

export async function legacyStatus(
  env: Env,
  row: JobRow,
  video: LegacyVideo,
  live: LiveProgress | undefined,
  origin: string,
): Promise<LegacyStatus> {
  const job = renderJob(row, live);
  const status = STATUS[row.state];
  return {
    status,
    progress: Math.floor(job.progress),
    message: job.error?.detail || (STAGES[job.stage] ?? 'Processing the video'),
    content_type: video.kind,
    content_id: legacyId(video.content_id),
    ...(status === 'completed' &&
      video.presentation !== null && { result: await resultOf(env, row, video, origin) }),
    ...(status === 'failed' && job.error && { error: job.error }),
  };
}

/** What plays at the title's place: a later job's output once it has replaced this one's. */
async function resultOf(
  env: Env,
  row: JobRow,
  video: LegacyVideo,
  origin: string,
): Promise<NonNullable<LegacyStatus['result']>> {
  const { durationSeconds, renditions } = Presentation.parse(JSON.parse(video.presentation!));
  const variants = renditions
    .map(({ name, width, height, bandwidthBps }) => ({
      quality: name,
      bandwidth: bandwidthBps,
      resolution: `${width}x${height}`,
    }))
    .sort((a, b) => a.bandwidth - b.bandwidth);
  return {
    hls_url: `${origin}/${titlePrefix(video.kind, video.content_id)}${MASTER_PLAYLIST}`,
    duration: durationSeconds,
    variants,
    files_uploaded: await countObjects(env.MEDIA, video.output_prefix),
    processing_time_seconds: (row.finished_at ?? row.created_at) - (row.started_at ?? row.created_at),
  };
}

async function countObjects(bucket: R2Bucket, prefix: string | null): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  for (let listing = 0; prefix !== null && listing < MAX_LISTINGS; listing++) {
    const page = await withR2Retries(() => bucket.list({ prefix, ...(cursor !== undefined && { cursor }) }));
    count += page.objects.length;
    if (!page.truncated) break;
    cursor = page.cursor;
  }
  return count;
}

// A new job on a source that is already stored. What is published stays published until the new one is ready.
import type { TranscodeRequest } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { generationPrefix } from '../../shared/object-keys.ts';
import type { Config } from '../env.ts';
import { createJobStatements, isFreeFor } from '../jobs/create.ts';
import { planOptionsOf } from '../jobs/plan-options.ts';
import { refuseProtection } from '../keys/offer.ts';
import { type VideoRow, videoOf } from './store.ts';

/**
 * @throws AppError `video_busy` without a source or while another job of the video is open.
 */
export async function transcodeAgain(
  db: D1Database,
  config: Config,
  video: VideoRow,
  request: TranscodeRequest,
  jobId: string,
  traceparent?: string,
): Promise<void> {
  const options = planOptionsOf(config, video.options, request);
  const { visibility } = video;
  const { protection } = options;
  refuseProtection(config, { protection, visibility, keyRotationSegments: request.keyRotationSegments });
  if (!video.source_key || !video.source_etag || video.source_bytes === null) {
    throw new AppError('video_busy', { detail: 'The video has no stored source.' });
  }
  const job = {
    jobId,
    traceparent,
    videoId: video.id,
    ownerId: video.owner_id,
    options,
    source: {
      key: video.source_key,
      etag: video.source_etag,
      sizeBytes: video.source_bytes,
      sha256: video.source_sha256 ?? undefined,
    },
    outputPrefix: generationPrefix(video.kind, video.content_id ?? video.id, jobId),
  };
  await db.batch(createJobStatements(db, job, isFreeFor(job)));
  const created = await db.prepare('SELECT 1 FROM jobs WHERE id = ?').bind(jobId).first();
  if (created) return;
  await videoOf(db, video.id, video.owner_id);
  throw new AppError('video_busy', { detail: 'Another job of this video has not finished.' });
}

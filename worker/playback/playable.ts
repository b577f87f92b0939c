// What there is to watch of a video: what is published, or as long as nothing is, what grows.
import { AppError } from '../../shared/errors.ts';
import type { Env } from '../env.ts';
import { growingPlay } from './growing-play.ts';
import { highestRung } from './quality-cap.ts';
import type { PlayableVideo } from './store.ts';

const NOT_PLAYABLE_RETRY_SECONDS = 2;

export type Playable = {
  outputPrefix: string;
  durationSeconds: number;
  /** Highest rung to be seen; undefined for all. */
  maxRung: number | undefined;
  isFinished: boolean;
  hasPoster: boolean;
  hasStoryboard: boolean;
  hasPreview: boolean;
  hasChapters: boolean;
  hasProgressive: boolean;
  /** Of the manifests; a session keeps those it began with. */
  manifestRevision: number;
};

/** @throws AppError `video_not_playable` */
export async function playableOf(
  env: Env,
  { id, state, errorDetail, outputPrefix, presentation, manifestRevision }: PlayableVideo,
  maxHeight: number | undefined,
): Promise<Playable> {
  if (outputPrefix && presentation) {
    const {
      durationSeconds,
      renditions,
      hasPoster,
      hasStoryboard = false,
      hasPreview = false,
      hasProgressive = false,
    } = presentation;
    const maxRung = maxHeight === undefined ? undefined : highestRung(renditions, maxHeight);
    const hasChapters = (presentation.chapters ?? []).length > 0;
    const has = { isFinished: true, hasPoster, hasStoryboard, hasPreview, hasChapters, hasProgressive };
    return { outputPrefix, durationSeconds, maxRung, manifestRevision, ...has };
  }
  const growing =
    state === 'playable' ? await growingPlay({ bucket: env.MEDIA, db: env.DB }, id, maxHeight) : undefined;
  if (growing) {
    const has = { hasPoster: false, hasStoryboard: false, hasPreview: false, hasChapters: false };
    return { ...growing, isFinished: false, manifestRevision: 0, ...has, hasProgressive: false };
  }
  if (state === 'failed') {
    throw new AppError('video_not_playable', {
      detail: `This video could not be processed. ${errorDetail ?? ''}`.trim(),
    });
  }
  throw new AppError('video_not_playable', {
    detail: 'Nothing of this video is published yet.',
    retryAfterSeconds: NOT_PLAYABLE_RETRY_SECONDS,
  });
}

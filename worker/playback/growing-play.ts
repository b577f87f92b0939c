// What a new session of a video that is not published is given: the copy of its source, or the ladder as it grows.
import { frameSeconds } from '../../shared/timeline.ts';
import { type Growth, playableGrowths } from '../jobs/growth-store.ts';
import { ladderPlanOf, planOf } from './growing-documents.ts';
import { highestRung } from './quality-cap.ts';

export type GrowingPlay = {
  outputPrefix: string;
  durationSeconds: number;
  /** Highest rung the session may see; undefined for all. */
  maxRung: number | undefined;
};

/** @param maxHeight what the viewer may see at most; a copy above it is not for them. */
export async function growingPlay(
  { bucket, db }: { bucket: R2Bucket; db: D1Database },
  videoId: string,
  maxHeight: number | undefined,
): Promise<GrowingPlay | undefined> {
  for (const growth of await playableGrowths(db, videoId)) {
    const play = await playOf(bucket, growth, maxHeight);
    if (play) return play;
  }
  return undefined;
}

async function playOf(
  bucket: R2Bucket,
  { kind, jobId, prefix }: Growth,
  maxHeight: number | undefined,
): Promise<GrowingPlay | undefined> {
  const plan = await (kind === 'early' ? ladderPlanOf : planOf)(bucket, jobId);
  const durationSeconds = frameSeconds(plan.totalFrames, plan.fps);
  if (kind === 'early') {
    const maxRung = maxHeight === undefined ? undefined : highestRung(plan.renditions, maxHeight);
    return { outputPrefix: prefix, durationSeconds, maxRung };
  }
  const isAllowed = maxHeight === undefined || (plan.instant?.video.height ?? Infinity) <= maxHeight;
  return isAllowed ? { outputPrefix: prefix, durationSeconds, maxRung: undefined } : undefined;
}

// The proof that a generation plays: every claim of its manifests against the bytes that are stored. Without a
// certificate nothing is published.
import { AppError } from '../../shared/errors.ts';
import { longestSeconds } from '../../shared/manifest-tracks.ts';
import { CHAPTERS, DASH_MANIFEST, MASTER_PLAYLIST, STORYBOARD } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import type { ProgressiveFile } from '../../shared/progressive.ts';
import { manifestsOf } from '../../shared/protection.ts';
import { type Check, Checklist } from '../certificate/checklist.ts';
import { checkDash, checkMaster, checkPlaylists } from '../certificate/manifest-checks.ts';
import { checkObjects } from '../certificate/object-checks.ts';
import { checkIframes, checkStoryboard } from '../certificate/picture-checks.ts';
import { checkProtection } from '../certificate/protection-checks.ts';
import { readMpd } from '../certificate/read-manifests.ts';
import { checkTexts } from '../certificate/text-checks.ts';
import { checkTimelines } from '../certificate/timeline-checks.ts';
import { encryptionOf } from '../encryption.ts';
import { createSegmentStore } from '../segment-store.ts';
import type { Document, TaskContext } from '../task-context.ts';
import { finishedTracks, type JobFacts } from '../tracks.ts';

/** Holds no time and no place, so that a second attempt writes the same bytes. */
export type Certificate = {
  version: 1;
  jobId: string;
  videoId: string;
  totalFrames: number;
  /** The film in one file, as it was written; absent where there is none. */
  progressive?: ProgressiveFile;
  /** Everything that was checked, with how many things each check looked at. */
  checks: Check[];
};

/** @throws AppError verification_failed, its detail beginning with the name of the check. */
export async function certify(
  context: Pick<TaskContext, 'claim' | 'r2' | 'contentKey' | 'log'>,
  plan: Plan,
  facts: JobFacts,
  documents: readonly Document[],
): Promise<Certificate> {
  const { job, task } = context.claim;
  const tracks = finishedTracks(plan, facts);
  const textOf = (name: string) => documentOf(documents, name);
  const list = new Checklist();
  checkTimelines(list, plan, tracks);
  const offered = manifestsOf(plan.protection?.scheme);
  const master = offered.hls ? textOf(MASTER_PLAYLIST) : undefined;
  const mpd = offered.dash ? textOf(DASH_MANIFEST) : undefined;
  if (master !== undefined) {
    checkPlaylists(list, tracks, textOf);
    checkMaster(list, tracks, master);
  }
  if (mpd !== undefined) checkDash(list, tracks, readMpd(mpd));
  checkProtection(list, tracks, textOf, mpd);
  const manifests = { master, mpd };
  const chapters = documents.find(({ name }) => name === CHAPTERS)?.body;
  checkTexts(list, {
    tracks,
    chapters,
    durationSeconds: longestSeconds([...tracks.video, ...tracks.audio]),
    manifests,
    textOf,
  });
  // Ranges of encrypted segments are nothing a player could decode.
  if (master !== undefined && !plan.protection) checkIframes(list, tracks, master, textOf);
  const storyboard = documents.find(({ name }) => name === STORYBOARD)?.body;
  checkStoryboard(list, plan, tracks, { mpd, storyboard });
  const encryption = encryptionOf(context, plan.protection);
  const store = createSegmentStore(context.r2, job.outputPrefix, context.log, encryption);
  await checkObjects(list, plan, tracks, context.r2, job.outputPrefix, store);
  return {
    version: 1,
    jobId: task.jobId,
    videoId: job.videoId,
    totalFrames: plan.totalFrames,
    ...(tracks.progressive && { progressive: tracks.progressive }),
    checks: list.checks,
  };
}

function documentOf(documents: readonly Document[], name: string): string {
  const body = documents.find((document) => document.name === name)?.body;
  if (body !== undefined) return body;
  throw new AppError('verification_failed', { detail: `documents-complete: ${name} was not written.` });
}

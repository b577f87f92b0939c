// The proof that a generation plays: every claim of its manifests against the bytes that are stored. Without a
// certificate nothing is published.
import { AppError } from '../../shared/errors.ts';
import { CHAPTERS, DASH_MANIFEST, MASTER_PLAYLIST, STORYBOARD } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import { type Check, Checklist } from '../certificate/checklist.ts';
import { checkDash, checkMaster, checkPlaylists } from '../certificate/manifest-checks.ts';
import { checkObjects } from '../certificate/object-checks.ts';
import { checkIframes, checkStoryboard } from '../certificate/picture-checks.ts';
import { readMpd } from '../certificate/read-manifests.ts';
import { checkTexts } from '../certificate/text-checks.ts';
import { checkTimelines } from '../certificate/timeline-checks.ts';
import type { Document, TaskContext } from '../task-context.ts';
import { finishedTracks, type JobFacts, trackSeconds } from '../tracks.ts';

/** Holds no time and no place, so that a second attempt writes the same bytes. */
export type Certificate = {
  version: 1;
  jobId: string;
  videoId: string;
  totalFrames: number;
  /** Everything that was checked, with how many things each check looked at. */
  checks: Check[];
};

/** @throws AppError verification_failed, its detail beginning with the name of the check. */
export async function certify(
  context: Pick<TaskContext, 'claim' | 'r2'>,
  plan: Plan,
  facts: JobFacts,
  documents: readonly Document[],
): Promise<Certificate> {
  const { job, task } = context.claim;
  const tracks = finishedTracks(plan, facts);
  const textOf = (name: string) => documentOf(documents, name);
  const list = new Checklist();
  checkTimelines(list, plan, tracks);
  checkPlaylists(list, tracks, textOf);
  checkMaster(list, tracks, textOf(MASTER_PLAYLIST));
  checkDash(list, tracks, readMpd(textOf(DASH_MANIFEST)));
  const manifests = { master: textOf(MASTER_PLAYLIST), mpd: textOf(DASH_MANIFEST) };
  const chapters = documents.find(({ name }) => name === CHAPTERS)?.body;
  checkTexts(list, { tracks, chapters, durationSeconds: trackSeconds(tracks), manifests, textOf });
  checkIframes(list, tracks, textOf(MASTER_PLAYLIST), textOf);
  const storyboard = documents.find(({ name }) => name === STORYBOARD)?.body;
  checkStoryboard(list, plan, tracks, { mpd: textOf(DASH_MANIFEST), storyboard });
  await checkObjects(list, plan, tracks, context.r2, job.outputPrefix);
  return {
    version: 1,
    jobId: task.jobId,
    videoId: job.videoId,
    totalFrames: plan.totalFrames,
    checks: list.checks,
  };
}

function documentOf(documents: readonly Document[], name: string): string {
  const body = documents.find((document) => document.name === name)?.body;
  if (body !== undefined) return body;
  throw new AppError('verification_failed', { detail: `documents-complete: ${name} was not written.` });
}

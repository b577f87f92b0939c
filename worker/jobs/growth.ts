// Looks at a job after each step of it: may what is there be watched already, and how much of it is shown.
import { errorFields, type Log } from '../../shared/log.ts';
import { PlanSummary } from '../../shared/messages.ts';
import { instantPrefix } from '../../shared/object-keys.ts';
import { isTerminal } from '../../shared/states.ts';
import type { Config } from '../env.ts';
import {
  canAnnounceEarly,
  canBegin,
  earlyPrefix,
  encodingSpeed,
  firstShown,
  type GrowthTask,
  instantPrefixOf,
  type Prefix,
  releaseReserve,
  shownAt,
} from './growth-rule.ts';
import {
  announce,
  closeInstant,
  type Growth,
  type GrowthKind,
  growingJob,
  growthAt,
  markComplete,
  saveShown,
  unannouncedJobs,
} from './growth-store.ts';

/** What another transcoder needs, beside the lease that must run out first, until it has made a segment. */
const TAKEOVER_SECONDS = 30;
const MAX_SWEPT_JOBS = 20;

type Sources = { db: D1Database; config: Config; log: Log };

/** Announces what has become playable. Safe to repeat. @returns whether the job has just become playable */
export async function growJob(jobId: string, { db, config, log }: Sources): Promise<boolean> {
  const found = await growingJob(db, jobId);
  if (!found?.job.plan) return false;
  const { job, tasks, growths } = found;
  const summary = PlanSummary.parse(JSON.parse(job.plan!));
  const reserveSeconds = config.LEASE_SECONDS + TAKEOVER_SECONDS;
  const growthOf = (kind: GrowthKind) => growths.find((growth) => growth.kind === kind);

  const early = growthOf('early');
  const instant = growthOf('instant');
  if (early) await follow(db, early, earlyPrefix(tasks), job.now, reserveSeconds);
  if (instant) await follow(db, instant, instantPrefixOf(tasks), job.now, reserveSeconds);
  if (instant && isGivenUp(tasks)) await closeInstant(db, instant.prefix);
  if (job.state !== 'running' || !['processing', 'playable'].includes(job.videoState)) return false;

  let isNews = false;
  const tell = async (
    kind: GrowthKind,
    prefix: string,
    held: Prefix,
    speed: number,
    segmentSeconds: number,
  ) => {
    const shown = firstShown(held, job.now, speed, segmentSeconds);
    if (!(await announce(db, { prefix, jobId, kind, shown }))) return;
    if (held.isWhole) await markComplete(db, prefix);
    log.info('video.playable', { jobId, videoId: job.videoId, kind, segments: held.segments, speed });
    isNews ||= growths.length === 0;
  };
  const copied = instantPrefixOf(tasks);
  if (!instant && canBegin(copied) && !isGivenUp(tasks)) {
    const seconds = summary.durationSeconds / copied.total;
    await tell(
      'instant',
      instantPrefix(job.outputPrefix),
      copied,
      copySpeed(tasks, job.now, seconds),
      seconds,
    );
  }
  const segmentSeconds = summary.segmentFrames / summary.frameRate;
  // What grows is HLS, and Common Encryption has none: such a video is to be watched when its MPD is there.
  if (!early && job.protection !== 'cenc' && canAnnounceEarly(tasks, job.now, segmentSeconds)) {
    const speed = encodingSpeed(tasks, job.now, segmentSeconds);
    await tell('early', job.outputPrefix, earlyPrefix(tasks), speed, segmentSeconds);
  }
  return isNews;
}

/**
 * For steps whose own look was lost, and for jobs that the cron itself has `moved`.
 *
 * @returns jobs that have just become playable
 */
export async function growWaitingJobs(sources: Sources, moved: readonly string[] = []): Promise<string[]> {
  const news: string[] = [];
  for (const jobId of new Set([...moved, ...(await unannouncedJobs(sources.db, MAX_SWEPT_JOBS))])) {
    try {
      if (await growJob(jobId, sources)) news.push(jobId);
    } catch (error) {
      sources.log.warn('growth.look_failed', { jobId, ...errorFields(error) });
    }
  }
  return news;
}

/** How a growth is to be shown now. */
export type GrowthView = {
  jobId: string;
  kind: GrowthKind;
  /** Segments of each track, as far as the track has them. */
  shown: number;
  isEnded: boolean;
  /** Audio tracks that are done, by their place in the plan. */
  finishedAudio: ReadonlySet<number>;
  isJobOpen: boolean;
};

export async function viewGrowth(db: D1Database, prefix: string): Promise<GrowthView | undefined> {
  const found = await growthAt(db, prefix);
  if (!found) return undefined;
  const { growth, tasks, jobState, now } = found;
  const { jobId, kind } = growth;
  const audio = tasks.filter((task) => task.kind === 'audio' && task.state === 'done');
  const view = {
    jobId,
    kind,
    finishedAudio: new Set(audio.map(({ idx }) => idx)),
    isJobOpen: !isTerminal(jobState),
  };
  // The tasks of a job that ended long ago are gone.
  if (growth.isComplete) return { ...view, shown: Number.POSITIVE_INFINITY, isEnded: true };
  const prefixHeld = kind === 'early' ? earlyPrefix(tasks) : instantPrefixOf(tasks);
  if (prefixHeld.isWhole) return { ...view, shown: Number.POSITIVE_INFINITY, isEnded: true };
  const isOver = growth.isClosed || isTerminal(jobState) || (kind === 'instant' && isGivenUp(tasks));
  const shown = isOver ? prefixHeld.segments : shownAt(growth.shown, prefixHeld, now);
  return { ...view, shown, isEnded: isOver };
}

async function follow(
  db: D1Database,
  growth: Growth,
  prefix: Prefix,
  now: number,
  reserveSeconds: number,
): Promise<void> {
  if (growth.isComplete || growth.isClosed) return;
  if (prefix.isWhole) return markComplete(db, growth.prefix);
  const released = releaseReserve(growth.shown, prefix, now, reserveSeconds);
  if (released) await saveShown(db, growth.prefix, released);
}

function isGivenUp(tasks: readonly GrowthTask[]): boolean {
  const task = tasks.find(({ kind }) => kind === 'instant');
  return task?.state === 'failed' || task?.state === 'cancelled';
}

function copySpeed(tasks: readonly GrowthTask[], now: number, segmentSeconds: number): number {
  const task = tasks.find(({ kind }) => kind === 'instant');
  if (!task || task.startedAt === null) return 1;
  return (task.mark * segmentSeconds) / Math.max(1, now - task.startedAt);
}

// Playlists of what is still being made: written anew for each request, until the finished ones lie under the
// same names.
import { AppError } from '../../shared/errors.ts';
import {
  cutAudio,
  type GrowingTimeline,
  growingMaster,
  growingPlaylist,
  instantMaster,
  instantTrack,
  plannedVideo,
} from '../../shared/hls-growing.ts';
import { MINUTE_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import { audioStem, MASTER_PLAYLIST, playlistName, videoStem } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import type { PlannedInstant } from '../../shared/plan-instant.ts';
import type { PlannedProtection } from '../../shared/protection.ts';
import { toHex } from '../../shared/sign.ts';
import { instantTargetSeconds, targetSeconds } from '../../shared/target-duration.ts';
import { type GrowthView, viewGrowth } from '../jobs/growth.ts';
import { noteWatched } from '../jobs/growth-store.ts';
import { BoundedMap } from './bounded-map.ts';
import { audioTimeline, initOf, ladderPlanOf, planOf, withSoundThatIsThere } from './growing-documents.ts';
import { bytesMedia, type MediaObject, mediaTypeOf } from './media-object.ts';

/** How old a view of a growth may be: all the lists of a player, and all its viewers here, share one. */
const VIEW_AGE_MS = SECOND_MS;
const MAX_VIEWS = 500;
/** How long a job counts as watched after its lists were asked for. */
const WATCHED_SECONDS = 2 * MINUTE_SECONDS;
const WATCHED_INTERVAL_MS = MINUTE_SECONDS * SECOND_MS;

// Values alone: a promise of one request may never settle for another.
type Viewed = { view: GrowthView | undefined; takenAtMs: number };
const views = new BoundedMap<string, Viewed>(MAX_VIEWS);
const watchedAtMs = new BoundedMap<string, number>(MAX_VIEWS);

export type GrowingSources = {
  bucket: R2Bucket;
  db: D1Database;
  log: Log;
  nowMs: number;
  waitUntil(work: Promise<unknown>): void;
};

/** Whether something was growing under the prefix a moment ago, so that it is looked for before what is finished. */
export function isKnownToGrow(prefix: string, nowMs: number): boolean {
  const viewed = views.get(prefix);
  if (!viewed?.view || !isFresh(viewed, nowMs)) return false;
  // The lists of a ladder are stored when its job ends, those of a copy never are.
  return viewed.view.isJobOpen || viewed.view.kind === 'instant';
}

/** @throws AppError `not_found` where nothing grows under the prefix, or it has no such list. */
export async function openGrowing(
  prefix: string,
  name: string,
  sources: GrowingSources,
): Promise<MediaObject> {
  const view = await viewOf(prefix, sources);
  if (!view) throw new AppError('not_found');
  if (view.isJobOpen) keepWatched(view.jobId, sources);
  const plan = await (view.kind === 'early' ? ladderPlanOf : planOf)(sources.bucket, view.jobId);
  const text =
    view.kind === 'early'
      ? await earlyText(plan, prefix, name, view, sources.bucket)
      : instantText(plan.instant, name, view);
  if (text === undefined) throw new AppError('not_found');
  return textObject(name, text, sources.nowMs);
}

async function viewOf(prefix: string, { db, nowMs }: GrowingSources): Promise<GrowthView | undefined> {
  const known = views.get(prefix);
  if (known && isFresh(known, nowMs)) return known.view;
  const view = await viewGrowth(db, prefix);
  views.delete(prefix);
  views.set(prefix, { view, takenAtMs: nowMs });
  return view;
}

function isFresh({ takenAtMs }: Viewed, nowMs: number): boolean {
  return nowMs - takenAtMs < VIEW_AGE_MS;
}

async function earlyText(
  plan: Plan,
  prefix: string,
  name: string,
  view: GrowthView,
  bucket: R2Bucket,
): Promise<string | undefined> {
  if (name === MASTER_PLAYLIST) {
    const made = await withSoundThatIsThere(bucket, view.jobId, plan, view.finishedAudio);
    const stems = [
      ...plan.renditions.map((rendition) => videoStem(rendition.name)),
      ...made.audio.map((audio) => audioStem(audio.name)),
    ];
    const inits = await Promise.all(stems.map((stem) => initOf(bucket, prefix, stem)));
    return growingMaster(made, (stem) => inits[stems.indexOf(stem)]!.codecs);
  }
  const target = targetSeconds(plan);
  const rendition = plan.renditions.find((one) => playlistName(videoStem(one.name)) === name);
  if (rendition) return listText(plannedVideo(plan, rendition.name), view, target, plan.protection);
  const track = plan.audio.findIndex((one) => playlistName(audioStem(one.name)) === name);
  if (track === -1) return undefined;
  if (view.finishedAudio.has(track) || view.shown === Number.POSITIVE_INFINITY) {
    return listText(await audioTimeline(bucket, view.jobId, track), view, target, plan.protection);
  }
  const stem = audioStem(plan.audio[track]!.name);
  const { timescale, hiddenTicks, frameTicks } = await initOf(bucket, prefix, stem);
  if (frameTicks === undefined) return undefined;
  const clock = { timescale, hiddenTicks, frameTicks };
  // Not done, so there is more than is shown, and whatever is shown was cut where the plan says.
  const timeline = cutAudio(plan, plan.audio[track]!.name, clock, view.shown);
  const state = { shown: view.shown, isEnded: view.isEnded, targetSeconds: target };
  return growingPlaylist(timeline, state, plan.protection);
}

function instantText(
  instant: PlannedInstant | undefined,
  name: string,
  view: GrowthView,
): string | undefined {
  if (!instant) return undefined;
  if (name === MASTER_PLAYLIST) return instantMaster(instant);
  const { video, audio } = instant;
  const stems = [
    { stem: videoStem(video.name), track: video },
    ...(audio ? [{ stem: audioStem(audio.name), track: audio }] : []),
  ];
  const found = stems.find(({ stem }) => playlistName(stem) === name);
  if (!found) return undefined;
  return listText(instantTrack(found.stem, found.track), view, instantTargetSeconds(instant));
}

/** A track all of whose segments are shown has ended, whatever the others do. */
function listText(
  track: GrowingTimeline,
  view: GrowthView,
  target: number,
  protection?: PlannedProtection,
): string {
  const isEnded = view.isEnded || view.shown >= track.segments.length;
  return growingPlaylist(track, { shown: view.shown, isEnded, targetSeconds: target }, protection);
}

async function textObject(name: string, text: string, nowMs: number): Promise<MediaObject> {
  const bytes = new TextEncoder().encode(text);
  const digest = toHex(await crypto.subtle.digest('SHA-256', bytes));
  return bytesMedia(bytes, {
    contentType: mediaTypeOf(name),
    etag: `"${digest.slice(0, 32)}"`,
    lastModified: new Date(nowMs),
    isGrowing: true,
  });
}

/** Once a minute at most, and behind the answer: a job being watched keeps its transcoder. */
function keepWatched(jobId: string, { db, log, nowMs, waitUntil }: GrowingSources): void {
  if (nowMs - (watchedAtMs.get(jobId) ?? 0) < WATCHED_INTERVAL_MS) return;
  watchedAtMs.delete(jobId);
  watchedAtMs.set(jobId, nowMs);
  const note = async () => {
    try {
      await noteWatched(db, jobId, WATCHED_SECONDS);
    } catch (error) {
      log.warn('playback.watch_not_noted', { jobId, ...errorFields(error) });
    }
  };
  waitUntil(note());
}

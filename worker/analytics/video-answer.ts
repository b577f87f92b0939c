// How much of one video is watched, out of its sums per day.
import type { Range, VideoAnalytics } from '../../shared/analytics-api.ts';
import { DAY_SECONDS } from '../../shared/limits.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import { PARTS } from '../../shared/watch-session.ts';
import { qoeOf, qoeSums, rounded } from './qoe-sums.ts';

type DayRow = {
  sessions: number;
  views: number;
  completions: number;
  watchedSeconds: number;
  fractions: number;
  reached: string;
  played: string;
};

/** A part that is played this often by those who come to it draws them back. */
const PEAK_PLAYS = 1.25;
const MAX_PEAKS = 5;

/** Whole UTC days that touch the range. @returns undefined where the owner has no such video */
export async function videoAnalytics(
  db: D1Database,
  videoId: string,
  ownerId: string,
  range: Range,
): Promise<VideoAnalytics | undefined> {
  const firstDay = Math.floor(range.fromSeconds / DAY_SECONDS);
  const endDay = Math.ceil(range.toSeconds / DAY_SECONDS);
  const [videos, days, viewers] = (await db.batch([
    db
      .prepare(
        `SELECT coalesce(presentation ->> '$.durationSeconds', 0) AS durationSeconds FROM videos
         WHERE id = ? AND owner_id = ? AND state <> 'deleting'`,
      )
      .bind(videoId, ownerId),
    db
      .prepare(
        `SELECT sessions, views, completions, watched_seconds AS watchedSeconds, fractions, reached, played
         FROM watch_days WHERE video_id = ? AND day >= ? AND day < ?`,
      )
      .bind(videoId, firstDay, endDay),
    db
      .prepare(
        // A session of nobody in particular counts as a viewer of its own.
        `SELECT count(DISTINCT nullif(viewer_id, '')) + count(*) FILTER (WHERE viewer_id = '') AS viewers
         FROM watch_sessions INDEXED BY watch_sessions_by_video
         WHERE video_id = ? AND begun_at >= ? AND begun_at < ?`,
      )
      .bind(videoId, firstDay * DAY_SECONDS, endDay * DAY_SECONDS),
  ])) as [D1Result<{ durationSeconds: number }>, D1Result<DayRow>, D1Result<{ viewers: number }>];
  const video = videos.results[0];
  if (!video) return undefined;
  const sum = (name: 'sessions' | 'views' | 'completions' | 'watchedSeconds' | 'fractions') =>
    days.results.reduce((total, day) => total + day[name], 0);
  const [sessions, views] = [sum('sessions'), sum('views')];
  const reached = sumOfArrays(days.results.map((day) => day.reached));
  const partSeconds = video.durationSeconds / PARTS;
  const played = sumOfArrays(days.results.map((day) => day.played));
  const plays = played.map((seconds, part) =>
    reached[part]! > 0 ? rounded(seconds / partSeconds / reached[part]!, 3) : 0,
  );
  const [qoe] = await qoeSums(db, { ownerId, videoId }, range, undefined);
  return {
    ...{ videoId, from: rfc3339(range.fromSeconds), to: rfc3339(range.toSeconds), views, sessions },
    uniqueViewers: viewers.results[0]?.viewers ?? 0,
    watchSeconds: rounded(sum('watchedSeconds'), 1),
    averageWatchSeconds: rounded(share(sum('watchedSeconds'), sessions), 1),
    averageFraction: rounded(share(sum('fractions'), sessions), 4),
    completionRate: rounded(share(sum('completions'), views), 4),
    dropOff: reached.map((count) => rounded(share(count, sessions), 4)),
    plays,
    rewatchPeaks: peaksOf(plays, partSeconds),
    qoe: qoeOf(qoe),
  };
}

function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

function sumOfArrays(texts: readonly string[]): number[] {
  const sums = new Array<number>(PARTS).fill(0);
  for (const text of texts) {
    for (const [part, value] of (JSON.parse(text) as number[]).entries()) sums[part]! += value;
  }
  return sums;
}

/** Runs of parts that are played again, the most played first. */
function peaksOf(plays: readonly number[], partSeconds: number): VideoAnalytics['rewatchPeaks'] {
  const peaks: VideoAnalytics['rewatchPeaks'] = [];
  for (let part = 0; part < plays.length; part++) {
    if (plays[part]! < PEAK_PLAYS) continue;
    const from = part;
    let most = 0;
    for (; part < plays.length && plays[part]! >= PEAK_PLAYS; part++) most = Math.max(most, plays[part]!);
    peaks.push({
      fromSeconds: rounded(from * partSeconds, 1),
      toSeconds: rounded(part * partSeconds, 1),
      plays: most,
    });
  }
  return peaks.toSorted((a, b) => b.plays - a.plays).slice(0, MAX_PEAKS);
}

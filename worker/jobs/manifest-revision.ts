// Adds uploaded subtitles to a generation, which never changes: new manifests are written beside the old ones,
// under names of their own, and then the video points to those. What a revision holds follows from its number
// and the generation alone, so it does not matter how many write it.
import { dashManifest } from '../../shared/dash.ts';
import { masterPlaylist, subtitlePlaylist } from '../../shared/hls.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import { longestSeconds, ManifestTracks, type SubtitleTrack } from '../../shared/manifest-tracks.ts';
import {
  contentTypeOf,
  dashName,
  masterName,
  playlistName,
  subtitleName,
  subtitleStem,
  TRACKS,
  tracksName,
} from '../../shared/object-keys.ts';
import { parseSubtitles, writeWebVtt } from '../../shared/webvtt.ts';
import type { Env } from '../env.ts';
import { getObject, hasBody, headObject, withR2Retries } from '../r2.ts';

/** An uploaded track as its row has it; flags are 0 or 1. */
export type SubtitleRow = {
  id: string;
  version: number;
  name: string;
  language: string;
  label: string;
  is_default: number;
  is_forced: number;
  is_captions: number;
  object_key: string;
};

type Subtitled = { prefix: string | null; version: number; revision: number; rows: SubtitleRow[] };

/** Nobody else changes a video's subtitles this often while we look. */
const MAX_TURNS = 10;

/** Brings the published manifests of a video up to its subtitles; at once where there is nothing to do. */
export async function reviseManifests(env: Env, videoId: string): Promise<void> {
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    const video = await subtitledVideo(env.DB, videoId);
    if (!video?.prefix || video.revision >= video.version) return;
    const { prefix, version, rows } = video;
    const keys = await writeRevision(env.MEDIA, prefix, version, rows);
    const moved = await env.DB.prepare(
      `UPDATE videos SET manifest_revision = ?
       WHERE id = ? AND output_prefix = ? AND manifest_revision < ? AND state <> 'deleting' RETURNING id`,
    )
      .bind(version, videoId, prefix, version)
      .first();
    if (moved) continue; // until nothing newer has come
    // A video that is gone takes its objects along; these may have come too late for that.
    if (!(await subtitledVideo(env.DB, videoId))) await withR2Retries(() => env.MEDIA.delete(keys));
  }
}

/** Writes the manifests of a generation that is about to be published; revision 0 are those it has. */
export async function reviseBeforePublish(
  env: Env,
  jobId: string,
): Promise<{ videoId: string; revision: number } | undefined> {
  const job = await env.DB.prepare(
    'SELECT video_id AS videoId, output_prefix AS prefix FROM jobs WHERE id = ?',
  )
    .bind(jobId)
    .first<{ videoId: string; prefix: string }>();
  const video = job && (await subtitledVideo(env.DB, job.videoId));
  if (!job || !video) return undefined;
  if (video.version === 0) return { videoId: job.videoId, revision: 0 };
  await writeRevision(env.MEDIA, job.prefix, video.version, video.rows);
  return { videoId: job.videoId, revision: video.version };
}

const STALE_PER_RUN = 10;

/** The sweeper's part: videos whose revision was begun by somebody who is gone. */
export async function reviseStaleManifests(env: Env, log: Log): Promise<void> {
  const { results } = await env.DB.prepare(
    // Whoever was tried goes to the end of the line: one that fails every time keeps no other from its turn.
    `UPDATE videos SET swept_at = unixepoch() WHERE id IN (
       SELECT id FROM videos INDEXED BY videos_stale_manifests WHERE subtitles_version > manifest_revision
         AND output_prefix IS NOT NULL AND state <> 'deleting' ORDER BY swept_at LIMIT ?)
     RETURNING id`,
  )
    .bind(STALE_PER_RUN)
    .all<{ id: string }>();
  for (const { id } of results) {
    await reviseManifests(env, id).catch((error: unknown) =>
      log.error('subtitles.revision_failed', { videoId: id, ...errorFields(error) }),
    );
  }
}

/** Version and tracks of one moment: a batch is a transaction. */
async function subtitledVideo(db: D1Database, videoId: string): Promise<Subtitled | undefined> {
  const [videos, subtitles] = await db.batch([
    db
      .prepare(
        `SELECT output_prefix AS prefix, subtitles_version AS version, manifest_revision AS revision
         FROM videos WHERE id = ? AND state <> 'deleting'`,
      )
      .bind(videoId),
    db.prepare('SELECT * FROM subtitles WHERE video_id = ? ORDER BY version').bind(videoId),
  ]);
  const video = videos?.results[0] as Omit<Subtitled, 'rows'> | undefined;
  return video && { ...video, rows: (subtitles?.results ?? []) as SubtitleRow[] };
}

/** @returns the keys of what may be new. Leaves before roots: whoever reads the master finds all it names. */
async function writeRevision(
  bucket: R2Bucket,
  prefix: string,
  revision: number,
  rows: readonly SubtitleRow[],
): Promise<string[]> {
  const stored = await getObject(bucket, prefix + TRACKS);
  // Of a generation without it nothing can be told but what it says itself.
  if (!stored || !hasBody(stored)) throw new Error(`${prefix}${TRACKS} is missing`);
  const tracks = ManifestTracks.parse(await stored.json());
  const seconds = longestSeconds([...tracks.video, ...tracks.audio]);
  const uploaded: SubtitleTrack[] = [];
  for (const row of rows) {
    const track = await storeTrack(bucket, prefix, row, seconds);
    if (track) uploaded.push(track);
  }
  const subtitles = withOneDefault([...tracks.subtitles, ...uploaded]);
  const names = uploaded.flatMap(({ stem }) => [subtitleName(stem), playlistName(stem)]);
  const manifests = [
    { nameOf: dashName, text: () => dashManifest({ ...tracks, subtitles }) },
    { nameOf: masterName, text: () => masterPlaylist({ ...tracks, subtitles }) },
  ];
  if (tracks.protection?.scheme === 'cenc') {
    await putOnce(bucket, prefix + tracksName(revision), JSON.stringify({ ...tracks, subtitles }));
    names.push(tracksName(revision));
  }
  for (const { nameOf, text } of manifests) {
    // A protected generation may have one of them alone.
    if (!(await headObject(bucket, prefix + nameOf(0)))) continue;
    await putOnce(bucket, prefix + nameOf(revision), text());
    names.push(nameOf(revision));
  }
  return names.map((name) => prefix + name);
}

/** Undefined where nothing of it shows within this video. */
async function storeTrack(
  bucket: R2Bucket,
  prefix: string,
  row: SubtitleRow,
  durationSeconds: number,
): Promise<SubtitleTrack | undefined> {
  const stem = subtitleStem(row.name);
  let sizeBytes = (await headObject(bucket, prefix + playlistName(stem)))
    ? (await headObject(bucket, prefix + subtitleName(stem)))?.size
    : undefined;
  if (sizeBytes === undefined) {
    const source = await getObject(bucket, row.object_key);
    if (!source || !hasBody(source)) return undefined; // deleted a moment ago
    const vtt = writeWebVtt(parseSubtitles(await source.text()), durationSeconds);
    if (vtt === undefined) return undefined;
    await putOnce(bucket, prefix + subtitleName(stem), vtt);
    await putOnce(bucket, prefix + playlistName(stem), subtitlePlaylist(stem, durationSeconds));
    sizeBytes = new TextEncoder().encode(vtt).byteLength;
  }
  return {
    stem,
    sizeBytes,
    name: row.name,
    language: row.language,
    label: row.label,
    isDefault: row.is_default === 1,
    isForced: row.is_forced === 1,
    isCaptions: row.is_captions === 1,
  };
}

/** The last to say so: what was uploaded overrides the file, and the newest the older. */
function withOneDefault(subtitles: readonly SubtitleTrack[]): SubtitleTrack[] {
  const chosen = subtitles.findLast(({ isDefault }) => isDefault);
  return subtitles.map((track) => ({ ...track, isDefault: track === chosen }));
}

async function putOnce(bucket: R2Bucket, key: string, body: string): Promise<void> {
  const contentType = contentTypeOf(key) ?? 'text/plain';
  await withR2Retries(() =>
    bucket.put(key, body, { httpMetadata: { contentType }, onlyIf: { etagDoesNotMatch: '*' } }),
  );
}

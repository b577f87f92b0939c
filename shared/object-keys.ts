// Every R2 key this system writes or reads, as functions. Keys are built from our own ids and plan values,
// never from a file name or other client text (a contentId has passed its schema).
import type { VideoKind } from './api.ts';
import type { ExtraEncoder } from './encoder.ts';

/** Whether a key of the bucket is this system's own, so that nobody outside may name it. */
export function isOwnKey(key: string): boolean {
  return ['sources/', 'work/', 'hls/', 'recommend/'].some((prefix) => key.startsWith(prefix));
}

export function sourcePrefix(videoId: string): string {
  return `sources/${videoId}/`;
}

export function sourceKey(videoId: string, uploadId: string): string {
  return `${sourcePrefix(videoId)}${uploadId}`;
}

/** The text of subtitles that were uploaded: beside the source, since it outlives every generation. */
export function subtitleSourceKey(videoId: string, subtitleId: string): string {
  return `${sourcePrefix(videoId)}subtitles/${subtitleId}.vtt`;
}

export function workPrefix(jobId: string): string {
  return `work/${jobId}/`;
}

export function planKey(jobId: string): string {
  return `work/${jobId}/plan.json`;
}

/** Which rungs a job makes, where its plan could not say so yet. */
export function ladderKey(jobId: string): string {
  return `work/${jobId}/ladder.json`;
}

export function chunkFactsKey(jobId: string, chunk: number): string {
  return `work/${jobId}/chunk_${chunk}.json`;
}

export function audioFactsKey(jobId: string, track: number): string {
  return `work/${jobId}/audio_${track}.json`;
}

export function progressiveFactsKey(jobId: string): string {
  return `work/${jobId}/progressive.json`;
}

/** Tiles that show frames of one segment: JPEGs one after another. */
export function tilesKey(jobId: string, segment: number): string {
  return `work/${jobId}/tiles_${segment}.mjpg`;
}

export function textFactsKey(jobId: string): string {
  return `work/${jobId}/text.json`;
}

/** All that a training run reads and writes. */
export function recommendPrefix(runId: string): string {
  return `recommend/${runId}/`;
}

export function recommendExportPrefix(runId: string): string {
  return `recommend/${runId}/export/`;
}

/** A part of what a run is trained from; parts count from 0. */
export function recommendExportKey(runId: string, part: number): string {
  return `${recommendExportPrefix(runId)}part-${String(part).padStart(5, '0')}.ndjson`;
}

/** The model of one attempt, so that no attempt writes into another's. */
export function recommendModelPrefix(runId: string, epoch: number): string {
  return `recommend/${runId}/model-${epoch}/`;
}

// Names inside a model.
export const MODEL_SUMMARY = 'model.json';
export const MODEL_ITEMS = 'items.json';
export const MODEL_FACTORS = 'factors.bin';
export const MODEL_TOP = 'top.json';

export function neighbourShardName(shard: number): string {
  return `neighbours_${shard}.json`;
}

const KIND_FOLDER: Record<VideoKind, string> = { movie: 'movies', episode: 'episodes', video: 'videos' };

/** The kind whose titles lie in `hls/{folder}/`. */
export function kindOfFolder(folder: string): VideoKind | undefined {
  return (Object.keys(KIND_FOLDER) as VideoKind[]).find((kind) => KIND_FOLDER[kind] === folder);
}

/** `hls/movies/123/`: the stable place of a title, with a trailing slash. */
export function titlePrefix(kind: VideoKind, id: string): string {
  return `hls/${KIND_FOLDER[kind]}/${id}/`;
}

/** `hls/movies/123/{generation}/`: one job's output, with a trailing slash. A generation never changes. */
export function generationPrefix(kind: VideoKind, id: string, generation: string): string {
  return `${titlePrefix(kind, id)}${generation}/`;
}

/** Id of the job whose output lies under a generation's prefix. */
export function jobOfPrefix(prefix: string): string {
  return prefix.split('/').at(-2) ?? '';
}

/** The content id of what lies under a generation's prefix, or its video's id. */
export function contentOfPrefix(prefix: string): string {
  return prefix.split('/').at(-3) ?? '';
}

/** Where the copied rendition of a job goes, beside the generation at `outputPrefix`. */
export function instantPrefix(outputPrefix: string): string {
  return outputPrefix.replace(/\/$/, '-instant/');
}

// Names inside a generation. They are also the relative URIs in playlists.
export const MASTER_PLAYLIST = 'master.m3u8';
export const DASH_MANIFEST = 'manifest.mpd';
/** All of a film in one file, for players without HLS or DASH. */
export const PROGRESSIVE = 'progressive.mp4';
export const POSTER = 'poster.jpg';
export const STORYBOARD = 'storyboard.vtt';
export const PREVIEW = 'preview.webp';
export const THUMBNAIL_STEM = 'thumb';
export const CHAPTERS = 'chapters.vtt';
/** What the manifests were written from; private, for writing them again. */
export const TRACKS = 'tracks.json';
/** The same of a revision that has HLS only where licences are a vendor's. */
export function tracksName(revision: number): string {
  return revision === 0 ? TRACKS : `tracks_r${revision}.json`;
}
export const CERTIFICATE = 'certificate.json';
export const RECEIPT = 'receipt.json';

/** Stem of a video rendition's files: `stream_720p`. */
export function videoStem(rendition: string): string {
  return `stream_${rendition}`;
}

/** What a rung of another encoder is called behind its size: `1080p-hevc`. */
export const EXTRA_RUNG_SUFFIX: Record<ExtraEncoder, string> = { libx265: 'hevc', libsvtav1: 'av1' };

/** Source of a pattern for {@link videoStem}, of the ladder or of another encoder; its one group is the size (`720p`). */
export const VIDEO_STEM_PATTERN = `stream_(\\d{1,4}p)(?:-(?:${Object.values(EXTRA_RUNG_SUFFIX).join('|')}))?`;

/** Stem of an audio rendition's files: `audio_en`. */
export function audioStem(rendition: string): string {
  return `audio_${rendition}`;
}

/** Stem of a subtitle track's files: `subtitles_en`. */
export function subtitleStem(name: string): string {
  return `subtitles_${name}`;
}

export function subtitleName(stem: string): string {
  return `${stem}.vtt`;
}

/** The master of a revision of a generation's manifests; revision 0 is what the transcoder wrote. */
export function masterName(revision: number): string {
  return revision === 0 ? MASTER_PLAYLIST : `master_r${revision}.m3u8`;
}

/** The revision of a manifest by its name; 0 for every other file. */
export function revisionOf(name: string): number {
  return Number(/^(?:master|manifest)_r(\d+)\.(?:m3u8|mpd)$/.exec(name)?.[1] ?? 0);
}

export function dashName(revision: number): string {
  return revision === 0 ? DASH_MANIFEST : `manifest_r${revision}.mpd`;
}

export function playlistName(stem: string): string {
  return `${stem}.m3u8`;
}

export function iframePlaylistName(stem: string): string {
  return `${stem}_iframes.m3u8`;
}

/** A sheet of thumbnails. */
export function thumbnailName(sheet: number): string {
  return `${THUMBNAIL_STEM}_${String(sheet).padStart(3, '0')}.jpg`;
}

/** The `SegmentTemplate@media` that yields {@link thumbnailName}. */
export function thumbnailTemplate(): string {
  return `${THUMBNAIL_STEM}_$Number%03d$.jpg`;
}

export function initName(stem: string): string {
  return `${stem}_init.mp4`;
}

/** Segments count from 0; three digits at least, as DASH's `$Number%03d$` prints them. */
export function segmentName(stem: string, index: number): string {
  return `${stem}_${String(index).padStart(3, '0')}.m4s`;
}

/** The `SegmentTemplate@media` that yields {@link segmentName}. */
export function segmentTemplate(stem: string): string {
  return `${stem}_$Number%03d$.m4s`;
}

/** Where players ask for a content key; nothing is stored there. */
export function keyName(number: number): string {
  return `key/${number}`;
}

/** The number of a {@link keyName}; undefined for any other name. */
export function keyNumberIn(name: string): number | undefined {
  const digits = /^key\/(0|[1-9]\d{0,4})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

const CONTENT_TYPES: Record<string, string> = {
  m3u8: 'application/vnd.apple.mpegurl',
  mpd: 'application/dash+xml',
  m4s: 'video/iso.segment',
  mp4: 'video/mp4',
  jpg: 'image/jpeg',
  webp: 'image/webp',
  vtt: 'text/vtt; charset=utf-8',
  json: 'application/json',
};

/** Media type by extension; undefined for an extension nothing of ours has. */
export function contentTypeOf(name: string): string | undefined {
  return CONTENT_TYPES[name.slice(name.lastIndexOf('.') + 1)];
}

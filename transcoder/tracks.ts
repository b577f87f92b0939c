// The finished tracks of a job, put together from what its tasks reported.
import { AppError } from '../shared/errors.ts';
import type {
  AudioTrack,
  ImageTrack,
  ManifestTracks,
  SubtitleTrack,
  VideoTrack,
} from '../shared/manifest-tracks.ts';
import type { InitFacts, SegmentFacts, TaskFacts, TextFacts } from '../shared/messages.ts';
import { audioStem, subtitleStem, THUMBNAIL_STEM, videoStem } from '../shared/object-keys.ts';
import type { Plan, PlannedAudio } from '../shared/plan.ts';
import type { ProgressiveFile } from '../shared/progressive.ts';
import { tilesPerSheet } from '../shared/storyboard.ts';
import { frameTicks } from '../shared/timeline.ts';
import type { Pictures, StoredPicture } from './stored-picture.ts';

export type JobFacts = {
  chunks: TaskFacts[];
  audio: TaskFacts[];
  text?: TextFacts;
  pictures?: Pictures;
  progressive?: ProgressiveFile;
};

/** A track with all that is known of its bytes. `inits` has one entry per task that worked on it. */
type WithFacts<Track> = Omit<Track, 'segments'> & { inits: InitFacts[]; segments: SegmentFacts[] };
export type FinishedVideo = WithFacts<VideoTrack>;
export type FinishedAudio = WithFacts<AudioTrack>;
/** With its file's text. */
export type FinishedSubtitle = SubtitleTrack & { vtt: string };
export type FinishedTracks = Omit<ManifestTracks, 'video' | 'audio' | 'subtitles'> & {
  video: FinishedVideo[];
  audio: FinishedAudio[];
  subtitles: FinishedSubtitle[];
  pictures: Pictures;
  progressive?: ProgressiveFile;
};

/** @throws AppError verification_failed where a track is missing from a task's facts, media_malformed where all are. */
export function finishedTracks(plan: Plan, facts: JobFacts): FinishedTracks {
  const audio = keptAudio(plan, facts);
  if (plan.isAudioOnly && audio.length === 0) {
    throw new AppError('media_malformed', { detail: 'The file is damaged: no sound of it can be decoded.' });
  }
  return {
    video: plan.renditions.map(({ name, width, height }) => ({
      ...merged(facts.chunks, videoStem(name)),
      ...{ name, width, height, fps: plan.fps },
    })),
    audio: audio.map(({ audio, made }) => {
      const { name, language, label, channels, isDefault, purpose, surroundOf } = audio;
      const track = merged([made], audioStem(name));
      return {
        ...track,
        ...{ name, language, label, channels, isDefault, sampleRate: track.timescale },
        ...(purpose && { purpose }),
        ...(surroundOf !== undefined && { surroundOf }),
      };
    }),
    subtitles: subtitleTracks(plan, facts.text),
    ...imageTrack(plan, facts.pictures?.sheets),
    ...(plan.protection && { protection: plan.protection }),
    pictures: facts.pictures ?? {},
    ...(facts.progressive && { progressive: facts.progressive }),
  };
}

/** Without the tracks nothing could be had of; where the default is gone, the first one left takes its place. */
function keptAudio(plan: Plan, facts: JobFacts): { audio: PlannedAudio; made: TaskFacts }[] {
  const isDropped = (audio: PlannedAudio) =>
    facts.audio.some(({ dropped }) => dropped !== undefined && dropped === audioStem(audio.name));
  const gone = new Set(plan.audio.filter(isDropped).map(({ name }) => name));
  const kept = plan.audio.flatMap((audio, index) => {
    const made = facts.audio[index];
    if (!made) throw new AppError('verification_failed', { detail: `tracks-complete: no ${audio.name}.` });
    return gone.has(audio.name) || gone.has(audio.surroundOf ?? '') ? [] : [{ audio, made }];
  });
  const hasDefault = kept.some(({ audio }) => audio.isDefault);
  const [first] = kept;
  if (hasDefault || !first) return kept;
  return kept.map(({ audio, made }) => {
    const isDefault = audio === first.audio || audio.surroundOf === first.audio.name;
    return { audio: { ...audio, isDefault }, made };
  });
}

function subtitleTracks(plan: Plan, text: TextFacts | undefined): FinishedSubtitle[] {
  return (plan.subtitles ?? []).flatMap(({ name, language, label, isDefault, isForced, isCaptions }) => {
    const vtt = text?.tracks.find((track) => track.name === name)?.vtt;
    if (vtt === undefined) return []; // it shows nothing
    const sizeBytes = new TextEncoder().encode(vtt).length;
    const flags = { isDefault, isForced, isCaptions };
    return [{ stem: subtitleStem(name), name, language, label, ...flags, sizeBytes, vtt }];
  });
}

function imageTrack(plan: Plan, sheets: readonly StoredPicture[] = []): { images?: ImageTrack } {
  if (!plan.thumbnails || sheets.length === 0) return {};
  const { intervalFrames, ...layout } = plan.thumbnails;
  const tileTicks = intervalFrames * frameTicks(plan.fps);
  const largestBytes = Math.max(...sheets.map(({ sizeBytes }) => sizeBytes));
  const bandwidthBps = Math.ceil((largestBytes * 8 * plan.timescale) / (tileTicks * tilesPerSheet(layout)));
  return { images: { stem: THUMBNAIL_STEM, ...layout, timescale: plan.timescale, tileTicks, bandwidthBps } };
}

function merged(tasks: TaskFacts[], stem: string) {
  const parts = tasks.map(({ tracks }) => tracks.find((track) => track.stem === stem));
  const found = parts.filter((part) => part !== undefined);
  const init = found[0]?.init;
  if (!init || found.length < parts.length) {
    throw new AppError('verification_failed', { detail: `tracks-complete: no task made ${stem} in full.` });
  }
  return {
    stem,
    timescale: init.timescale,
    codecs: init.codecs,
    inits: found.map((part) => part.init),
    segments: found.flatMap(({ segments }) => segments),
  };
}

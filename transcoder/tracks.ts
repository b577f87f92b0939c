// The finished tracks of a job, put together from what its tasks reported.
import { AppError } from '../shared/errors.ts';
import type { AudioTrack, ManifestTracks, VideoTrack } from '../shared/manifest-tracks.ts';
import type { InitFacts, SegmentFacts, TaskFacts } from '../shared/messages.ts';
import { audioStem, videoStem } from '../shared/object-keys.ts';
import type { Plan } from '../shared/plan.ts';

export type JobFacts = { chunks: TaskFacts[]; audio: TaskFacts[] };

/** A track with all that is known of its bytes. `inits` has one entry per task that worked on it. */
type WithFacts<Track> = Omit<Track, 'segments'> & { inits: InitFacts[]; segments: SegmentFacts[] };
export type FinishedVideo = WithFacts<VideoTrack>;
export type FinishedAudio = WithFacts<AudioTrack>;
export type FinishedTracks = Omit<ManifestTracks, 'video' | 'audio'> & {
  video: FinishedVideo[];
  audio: FinishedAudio[];
};

/** @throws AppError verification_failed where a track is missing from a task's facts. */
export function finishedTracks(plan: Plan, facts: JobFacts): FinishedTracks {
  return {
    video: plan.renditions.map(({ name, width, height }) => ({
      ...merged(facts.chunks, videoStem(name)),
      ...{ name, width, height, fps: plan.fps },
    })),
    audio: plan.audio.map(({ name, language, label, channels, isDefault }, index) => {
      const track = merged(facts.audio.slice(index, index + 1), audioStem(name));
      return { ...track, name, language, label, channels, isDefault, sampleRate: track.timescale };
    }),
    subtitles: [],
  };
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

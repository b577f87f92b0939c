// From facts to manifests: every playlist, the master and the MPD of a generation. Reads and writes nothing.
import { measureBitrates } from '../../shared/bitrates.ts';
import { dashManifest } from '../../shared/dash.ts';
import { masterPlaylist, mediaPlaylist } from '../../shared/hls.ts';
import type { Presentation } from '../../shared/messages.ts';
import { DASH_MANIFEST, MASTER_PLAYLIST, playlistName } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import { frameSeconds, framesPerSecond } from '../../shared/timeline.ts';
import type { Document } from '../task-context.ts';
import { type FinishedTracks, finishedTracks, type JobFacts } from '../tracks.ts';

/** `hasPoster` is left to whoever made the poster. */
export function packagePresentation(
  plan: Plan,
  facts: JobFacts,
): { presentation: Presentation; documents: Document[] } {
  const tracks = finishedTracks(plan, facts);
  const { video, audio } = tracks;
  return {
    presentation: presentationOf(plan, tracks),
    documents: [
      ...[...video, ...audio].map((track) => ({
        name: playlistName(track.stem),
        body: mediaPlaylist(track),
      })),
      { name: DASH_MANIFEST, body: dashManifest(tracks) },
      { name: MASTER_PLAYLIST, body: masterPlaylist(tracks) },
    ],
  };
}

function presentationOf(plan: Plan, { video, audio }: FinishedTracks): Presentation {
  const top = video.at(-1)!;
  const sizes = [...video, ...audio].flatMap(({ inits, segments }) => [inits[0]!, ...segments]);
  return {
    durationSeconds: frameSeconds(plan.totalFrames, plan.fps),
    width: top.width,
    height: top.height,
    frameRate: framesPerSecond(plan.fps),
    sizeBytes: sizes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    renditions: video.map((track) => ({
      name: track.name,
      width: track.width,
      height: track.height,
      codecs: track.codecs,
      ...bandwidths(track),
    })),
    audio: audio.map((track) => ({
      name: track.name,
      language: track.language,
      label: track.label,
      channels: track.channels,
      codecs: track.codecs,
      isDefault: track.isDefault,
      ...bandwidths(track),
    })),
    hasPoster: false,
  };
}

function bandwidths(track: Parameters<typeof measureBitrates>[0]) {
  const { peakBps, averageBps } = measureBitrates(track);
  return { bandwidthBps: peakBps, averageBandwidthBps: averageBps };
}

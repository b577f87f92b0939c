// From facts to manifests: every playlist, the master and the MPD of a generation. Reads and writes nothing.
import { measureBitrates } from '../../shared/bitrates.ts';
import { dashManifest } from '../../shared/dash.ts';
import { masterPlaylist, mediaPlaylist } from '../../shared/hls.ts';
import { iframePlaylist } from '../../shared/hls-iframes.ts';
import type { Presentation } from '../../shared/messages.ts';
import {
  DASH_MANIFEST,
  iframePlaylistName,
  MASTER_PLAYLIST,
  playlistName,
  STORYBOARD,
} from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import { offersDocument } from '../../shared/protection.ts';
import { storyboardVtt } from '../../shared/storyboard.ts';
import { targetSeconds } from '../../shared/target-duration.ts';
import { frameSeconds, framesPerSecond } from '../../shared/timeline.ts';
import type { Document } from '../task-context.ts';
import { textDocuments } from '../text-documents.ts';
import { type FinishedTracks, finishedTracks, type JobFacts } from '../tracks.ts';

export function packagePresentation(
  plan: Plan,
  facts: JobFacts,
): { presentation: Presentation; documents: Document[] } {
  const tracks = finishedTracks(plan, facts);
  const { video, audio, images, protection } = tracks;
  const documents = [
    ...[...video, ...audio].map((track) => ({
      name: playlistName(track.stem),
      body: mediaPlaylist(track, targetSeconds(plan), protection),
    })),
    ...video.flatMap((track) => {
      const body = iframePlaylist(track);
      return body === undefined ? [] : [{ name: iframePlaylistName(track.stem), body }];
    }),
    ...(images
      ? [{ name: STORYBOARD, body: storyboardVtt(images, frameSeconds(plan.totalFrames, plan.fps)) }]
      : []),
    ...textDocuments(plan, tracks),
    { name: DASH_MANIFEST, body: dashManifest(tracks) },
    { name: MASTER_PLAYLIST, body: masterPlaylist(tracks) },
  ];
  return {
    presentation: { ...presentationOf(plan, tracks), ...textsOf(plan, tracks, facts) },
    documents: documents.filter(({ name }) => offersDocument(protection?.scheme, name)),
  };
}

function presentationOf(
  plan: Plan,
  { video, audio, pictures, progressive, protection }: FinishedTracks,
): Presentation {
  const top = video.toSorted((a, b) => a.width * a.height - b.width * b.height).at(-1);
  const { poster, sheets = [], preview } = pictures;
  const sizes = [
    ...[...video, ...audio].flatMap(({ inits, segments }) => [inits[0]!, ...segments]),
    ...[poster, ...sheets, preview, progressive].filter((picture) => picture !== undefined),
  ];
  return {
    durationSeconds: frameSeconds(plan.totalFrames, plan.fps),
    ...(top && { width: top.width, height: top.height, frameRate: framesPerSecond(plan.fps) }),
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
    hasPoster: poster !== undefined,
    hasStoryboard: sheets.length > 0,
    hasPreview: preview !== undefined,
    ...(progressive && { hasProgressive: true }),
    ...(protection && { protection: protection.scheme }),
  };
}

function textsOf(
  plan: Plan,
  { subtitles }: FinishedTracks,
  { text, audio }: JobFacts,
): Pick<Presentation, 'subtitles' | 'chapters' | 'warnings'> {
  const warnings = [
    ...(plan.warnings ?? []),
    ...audio.flatMap((facts) => facts.warnings ?? []),
    ...(text?.warnings ?? []),
  ];
  return {
    subtitles: subtitles.map(({ name, language, label, isDefault, isForced, isCaptions }) => ({
      ...{ name, language, label, isDefault, isForced, isCaptions },
      origin: 'file',
    })),
    ...(plan.chapters?.length ? { chapters: plan.chapters } : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
  };
}

function bandwidths(track: Parameters<typeof measureBitrates>[0]) {
  const { peakBps, averageBps } = measureBitrates(track);
  return { bandwidthBps: peakBps, averageBandwidthBps: averageBps };
}

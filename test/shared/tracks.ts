// Tracks for the manifest writers' tests.
import type { AudioTrack, VideoTrack } from '../../shared/manifest-tracks.ts';

/** Segments of the given sizes, back to back from tick 0. */
export function segmentsOf(durationsTicks: number[], sizesBytes: number[]) {
  let startTicks = 0;
  return durationsTicks.map((durationTicks, index) => {
    const segment = { sizeBytes: sizesBytes[index]!, durationTicks, startTicks };
    startTicks += durationTicks;
    return segment;
  });
}

/** 29.97 frames per second: 180 frames last 6.006 s; the last segment holds 45 frames. */
export function videoTrack(name: string, height: number, sizesBytes: number[]): VideoTrack {
  return {
    stem: `stream_${name}`,
    name,
    timescale: 30_000,
    codecs: 'avc1.64001f',
    width: (height * 16) / 9,
    height,
    fps: { num: 30_000, den: 1001 },
    segments: segmentsOf([180_180, 180_180, 45_045], sizesBytes),
  };
}

export function audioTrack(language: string, label: string, isDefault: boolean): AudioTrack {
  return {
    stem: `audio_${language}`,
    name: language,
    timescale: 48_000,
    codecs: 'mp4a.40.2',
    language,
    label,
    channels: 2,
    sampleRate: 48_000,
    isDefault,
    segments: segmentsOf([287_744, 288_768, 72_704], [96_000, 96_000, 24_000]),
  };
}

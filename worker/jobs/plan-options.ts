// What a job is asked to make: the owner's choice for the video, over the deployment's defaults.
import type { VideoInput } from '../../shared/api.ts';
import { PlanOptions } from '../../shared/plan.ts';
import type { Config } from '../env.ts';

/** What of a video's fields says how it is made, but for its protection. */
export function choicesOf(video: VideoInput) {
  const { ladder, extraRungs, segmentSeconds, preset, encoder, loudness, audioOnly } = video;
  return { ladder, extraRungs, segmentSeconds, preset, encoder, loudness, audioOnly };
}

/** `stored` is the JSON of `videos.options`; `overrides` are for this job alone. */
export function planOptionsOf(
  config: Config,
  stored: string,
  overrides: Partial<PlanOptions> = {},
): PlanOptions {
  const defaults = {
    segmentSeconds: config.SEGMENT_SECONDS,
    preset: config.ENCODER_PRESET,
    encoder: config.ENCODER,
    ...(config.AUDIO_ONLY === 'publish' && { audioOnly: true }),
    ...(config.KEY_ROTATION_SEGMENTS && { keyRotationSegments: config.KEY_ROTATION_SEGMENTS }),
    ...(config.LADDER && { ladder: config.LADDER }),
    ...(config.EXTRA_RUNGS && { extraRungs: config.EXTRA_RUNGS }),
    ...(config.LOUDNESS_LUFS !== undefined && { loudness: { targetLufs: config.LOUDNESS_LUFS } }),
  };
  return PlanOptions.parse({ ...defaults, ...JSON.parse(stored), ...overrides });
}

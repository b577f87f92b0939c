// What was left out of a published video or mended on the way, told to its owner beside the result.
import { z } from 'zod';

export const WarningCode = z.enum([
  /** No sound could be had of the track; the rest is published without it. */
  'audio_track_dropped',
  /** The track ends where it could not be read any further. */
  'audio_track_cut',
  /** Damaged places are silent. */
  'audio_track_damaged',
  'subtitle_track_dropped',
  /** Rungs of other encoders than H.264 that were asked for and are not there. */
  'extra_rungs_left_out',
]);
export type WarningCode = z.infer<typeof WarningCode>;

/** `detail` is a sentence for a person. */
export const Warning = z.object({ code: WarningCode, detail: z.string() });
export type Warning = z.infer<typeof Warning>;

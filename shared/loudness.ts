// Loudness after EBU R128. Off unless a video or the deployment asks for it: it costs a re-encode of all sound.
import { z } from 'zod';

/** Broadcast has -23, most streaming services about -16. */
export const TargetLufs = z.number().min(-31).max(-9);

/** The integrated loudness all sound of a video is brought to. */
export const Loudness = z.object({ targetLufs: TargetLufs }).strict();
export type Loudness = z.infer<typeof Loudness>;

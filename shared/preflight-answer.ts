// The answer of POST /v1/preflight: a part of the public surface, kept beside what gives it.
import { z } from 'zod';

/** A sentence for a person, with a name for a program. */
const Reason = z.object({ code: z.string(), detail: z.string() });

/** What would happen to a file. What the bytes sent do not tell is absent. */
export const PreflightAnswer = z.object({
  /** `unknown`: the container is taken, and the rest takes the whole file to tell. */
  verdict: z.enum(['accepted', 'refused', 'unknown']),
  /** Why it is refused (a `media_` code) or not settled. */
  reasons: z.array(Reason),
  container: z.string().optional(),
  videoCodec: z.string().optional(),
  audioCodecs: z.array(z.string()),
  /** As a viewer sees it: turned, with square pixels. */
  width: z.int().optional(),
  height: z.int().optional(),
  rotationDegrees: z.int().optional(),
  isHdr: z.boolean().optional(),
  durationSeconds: z.number().optional(),
  /** Pictures per second of the output. */
  frameRate: z.number().optional(),
  isVariableFrameRate: z.boolean().optional(),
  /** MP4 and MOV: the index comes before the media. */
  isFaststart: z.boolean().optional(),
  /** Whether it could be played without encoding; `likely` where only the rest of the file can settle it. */
  instant: z.enum(['yes', 'no', 'likely']).optional(),
  /** The rules that fail, or that are not settled. */
  instantReasons: z.array(Reason),
  ladder: z.array(z.object({ name: z.string(), width: z.int(), height: z.int(), maxBitrateBps: z.int() })),
  segmentCount: z.int().optional(),
});
export type PreflightAnswer = z.infer<typeof PreflightAnswer>;

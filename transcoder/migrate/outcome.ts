// How an item ended, as the journal keeps it and the report tells it.
import { z } from 'zod';

export const Check = z.object({ name: z.string(), isRight: z.boolean(), note: z.string() });
export type Check = z.infer<typeof Check>;

export const Outcome = z.object({
  /** `skipped`: converted before, by this migration or another one. */
  state: z.enum(['done', 'skipped', 'failed', 'rolled_back']),
  videoId: z.string().optional(),
  attempts: z.int().optional(),
  durationSeconds: z.number().optional(),
  checks: z.array(Check).optional(),
  code: z.string().optional(),
  detail: z.string().optional(),
});
export type Outcome = z.infer<typeof Outcome>;

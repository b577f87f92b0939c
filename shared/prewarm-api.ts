// Warming the edge through the public HTTP surface: request and response schemas.
import { z } from 'zod';

/** https://developers.cloudflare.com/durable-objects/reference/data-location/#provide-a-location-hint */
export const PREWARM_REGIONS = ['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me'] as const;
export type PrewarmRegionName = (typeof PREWARM_REGIONS)[number];

export const PrewarmRequest = z
  .object({
    /** All where it is absent. */
    regions: z.array(z.string().max(16)).min(1).max(PREWARM_REGIONS.length).optional(),
    seconds: z.number().min(1).max(300).default(30),
  })
  .strict();
export type PrewarmRequest = z.infer<typeof PrewarmRequest>;

export const PrewarmProgress = z.object({
  region: z.enum(PREWARM_REGIONS),
  /** `unavailable`: the region did not answer; asking again is right. */
  state: z.enum(['queued', 'running', 'done', 'unavailable']),
  /** Objects that are in the cache by now, and those that could not be read; of `total`, known once it runs. */
  warmed: z.int(),
  failed: z.int(),
  total: z.int().optional(),
});
export type PrewarmProgress = z.infer<typeof PrewarmProgress>;

export const PrewarmAnswer = z.object({
  videoId: z.string(),
  seconds: z.number(),
  regions: z.array(PrewarmProgress),
});
export type PrewarmAnswer = z.infer<typeof PrewarmAnswer>;

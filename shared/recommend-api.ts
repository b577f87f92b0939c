// Recommendations through the public HTTP surface, and the calls of a transcoder that trains.
import { z } from 'zod';
import { VideoKind } from './api.ts';
import { StorageAccess } from './messages.ts';
import { ModelSummary } from './recommend-model.ts';

export const RecommendQuery = z.object({
  limit: z.coerce.number().int().min(1).max(50).default(20),
  kind: VideoKind.optional(),
  visibility: z.enum(['private', 'public']).optional(),
  /** Believed of servers (API keys) alone. */
  country: z
    .string()
    .regex(/^[A-Z]{2}$/)
    .optional(),
});
export type RecommendQuery = z.infer<typeof RecommendQuery>;

export const RecommendReason = z.enum(['watched', 'similar', 'tags', 'trending', 'new']);
export type RecommendReason = z.infer<typeof RecommendReason>;

export const Recommendation = z.object({
  videoId: z.string(),
  title: z.string(),
  /** 0 to 1, comparable within one answer alone. The order is not only by it: unlike things stand next to each other. */
  score: z.number(),
  why: z.object({
    reason: RecommendReason,
    /** For a person. */
    text: z.string(),
    /** What the viewer has watched that led here, the strongest first. */
    because: z.array(z.object({ videoId: z.string(), title: z.string() })),
  }),
});
export type Recommendation = z.infer<typeof Recommendation>;

export const Recommendations = z.object({
  recommendations: z.array(Recommendation),
  /** The training run behind them; null where none has ended yet. */
  model: z.string().nullable(),
  /** Whether the viewer's own history has shaped them. */
  isPersonal: z.boolean(),
  generatedAt: z.string(),
});
export type Recommendations = z.infer<typeof Recommendations>;

export const ViewerPatch = z.object({ optOut: z.boolean() }).strict();
export const ViewerSettings = z.object({ viewerId: z.string(), optOut: z.boolean() });
export type ViewerSettings = z.infer<typeof ViewerSettings>;

export const AcceptedRun = z.object({ runId: z.string() });
export const RecommendRun = z.object({
  runId: z.string(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed']),
  rows: z.int(),
  model: ModelSummary.optional(),
  error: z.object({ code: z.string(), detail: z.string() }).optional(),
  createdAt: z.string(),
  finishedAt: z.string().optional(),
});
export type RecommendRun = z.infer<typeof RecommendRun>;

// POST /internal/recommend/claim (transcoder secret) -> 204 when there is nothing, else a claim.
export const RecommendClaimRequest = z.object({ workerId: z.string().min(1).max(128) });
export const RecommendClaim = z.object({
  jobToken: z.string(),
  leaseSeconds: z.number(),
  heartbeatSeconds: z.number(),
  runId: z.string(),
  epoch: z.int(),
  /** Where this attempt's model goes. */
  modelPrefix: z.string(),
  storage: StorageAccess,
});
export type RecommendClaim = z.infer<typeof RecommendClaim>;

/** POST /internal/recommend/export: one more part is written; `isDone` when there was no further row. */
export const ExportAnswer = z.object({ parts: z.int(), rows: z.int(), isDone: z.boolean() });
export type ExportAnswer = z.infer<typeof ExportAnswer>;

export const RecommendHeartbeatAnswer = z.object({ leaseSeconds: z.number(), jobToken: z.string() });
export const RecommendDone = z.object({ summary: ModelSummary });
export const RecommendFailure = z.object({ code: z.string(), detail: z.string(), mayRetry: z.boolean() });
export type RecommendFailure = z.infer<typeof RecommendFailure>;

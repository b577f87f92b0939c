// GET /v1/stats
import { z } from 'zod';

const Count = z.int().min(0);

export const Stats = z.object({
  /** Since this deployment has been counting. A Worker is no process that could be up. */
  uptimeSeconds: Count,
  /** Of media, over all that time. */
  bytesSent: Count,
  /** Play sessions begun or heard of in the last 90 seconds. */
  activeSessions: Count,
  /** Bits per second of media over the last minute. */
  throughputBps: z.number().min(0),
  /** Jobs that succeeded, those that failed, and those that somebody cancelled. */
  jobsProcessed: Count,
  jobsFailed: Count,
  jobsCancelled: Count,
  /** Of jobs that succeeded, from their first claim; absent before the first. */
  meanProcessingSeconds: z.number().min(0).optional(),
  /** Of the same jobs, until that claim. */
  meanQueueSeconds: z.number().min(0).optional(),
  jobsQueued: Count,
  jobsRunning: Count,
  tasksReady: Count,
  tasksRunning: Count,
  /** How long the oldest task that may be claimed has been waiting. */
  queueAgeSeconds: Count,
  leaseExpiries: Count,
  requests: Count,
  /** Answers with a status from 500 on. */
  serverErrors: Count,
  uploadedBytes: Count,
  /** Share of media reads that R2 had no part in; absent before the first. */
  cacheHitRatio: z.number().min(0).max(1).optional(),
  webhooksDelivered: Count,
  /** Deliveries given up. */
  webhooksFailed: Count,
  webhooksPending: Count,
  outboxRows: Count,
  watchEventsReceived: Count,
  watchEventsLost: Count,
});
export type Stats = z.infer<typeof Stats>;

// Playing through the public HTTP surface: request and response schemas.
import { z } from 'zod';

export const PlayRequest = z
  .object({
    deviceId: z.string().min(1).max(128).optional(),
    ttlSeconds: z
      .int()
      .min(60)
      .max(24 * 3600)
      .optional(),
    maxHeight: z.int().min(1).optional(),
    country: z
      .string()
      .regex(/^[A-Z]{2}$/)
      .optional(),
  })
  .strict();
export type PlayRequest = z.infer<typeof PlayRequest>;

export const PlayAnswer = z.object({
  sessionId: z.string(),
  hls: z.string().optional(),
  dash: z.string().optional(),
  progressive: z.string().optional(),
  poster: z.string().optional(),
  storyboard: z.string().optional(),
  /** A short animated picture. */
  preview: z.string().optional(),
  chapters: z.string().optional(),
  /** Of what is encrypted by Common Encryption: where the licence is, and what to send along. */
  drm: z
    .object({
      scheme: z.literal('cenc'),
      keySystem: z.literal('org.w3.clearkey'),
      licenseUrl: z.string(),
      headers: z.record(z.string(), z.string()),
    })
    .optional(),
  expiresAt: z.string(),
});
export type PlayAnswer = z.infer<typeof PlayAnswer>;

/** A link to the watch page that carries what a private video needs, in the fragment. */
export const WatchLink = z.object({ url: z.string(), expiresAt: z.string() });
export type WatchLink = z.infer<typeof WatchLink>;

// Playing through the public HTTP surface: request and response schemas.
import { z } from 'zod';
import { KeySystem } from './protection-systems.ts';

const Country = z.string().regex(/^[A-Z]{2}$/);
const ClientIp = z.union([z.ipv4(), z.ipv6()]);

export const PlayRequest = z
  .object({
    deviceId: z.string().min(1).max(128).optional(),
    ttlSeconds: z
      .int()
      .min(60)
      .max(24 * 3600)
      .optional(),
    maxHeight: z.int().min(1).optional(),
    /** These are believed of servers (API keys) alone: for whom they ask, and where that viewer is. */
    viewerId: z.string().min(1).max(256).optional(),
    country: Country.optional(),
    clientIp: ClientIp.optional(),
  })
  .strict();
export type PlayRequest = z.infer<typeof PlayRequest>;

/** Where the licence of one key system is, and what to send along. */
export const LicenseAddress = z.object({
  keySystem: KeySystem,
  licenseUrl: z.string(),
  headers: z.record(z.string(), z.string()),
});
export type LicenseAddress = z.infer<typeof LicenseAddress>;

/** ClearKey, after W3C Encrypted Media Extensions §9.1. */
export const LicenseRequest = z.object({
  /** Key ids: 16 bytes, base64url without padding. */
  kids: z.array(z.string().length(22)).min(1).max(64),
  type: z.string().max(64).optional(),
});
export const ClearKeyLicense = z.object({
  keys: z.array(z.object({ kty: z.literal('oct'), kid: z.string(), k: z.string() })),
  type: z.string(),
});

/** What a server says when it renews for a viewer who has moved. */
export const RenewRequest = z.object({ country: Country.optional(), clientIp: ClientIp.optional() }).strict();
export type RenewRequest = z.infer<typeof RenewRequest>;

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
  /** Of what is encrypted by Common Encryption: the key system to try first, and all of them in that order. */
  drm: LicenseAddress.extend({ scheme: z.literal('cenc'), systems: z.array(LicenseAddress) }).optional(),
  expiresAt: z.string(),
});
export type PlayAnswer = z.infer<typeof PlayAnswer>;

/** A link to the watch page that carries what a private video needs, in the fragment. */
export const WatchLink = z.object({ url: z.string(), expiresAt: z.string() });
export type WatchLink = z.infer<typeof WatchLink>;

export const ViewerDevice = z.object({
  deviceId: z.string(),
  firstSeenAt: z.string(),
  /** When something was last begun on it. */
  lastSeenAt: z.string(),
});
export type ViewerDevice = z.infer<typeof ViewerDevice>;

export const ViewerDevices = z.object({ devices: z.array(ViewerDevice) });
export type ViewerDevices = z.infer<typeof ViewerDevices>;

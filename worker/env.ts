// The Worker's bindings and its configuration, parsed once per isolate. All problems are reported together.
import { z } from 'zod';
import { ExtraRungs, Ladder } from '../shared/api.ts';
import { EncoderPreset, VideoEncoder } from '../shared/encoder.ts';
import { DEFAULT_IMPORT_PORTS } from '../shared/import-url.ts';
import { type KeyEncryptionKeys, parseKeyEncryptionKeys } from '../shared/key-encryption-keys.ts';
import { DEFAULT_SOURCE_TEMPLATES, parseSourceTemplates } from '../shared/legacy-sources.ts';
import {
  DAY_SECONDS,
  EDGE_BODY_LIMIT_BYTES,
  EDGE_MULTIPART_MAX_BYTES,
  MINUTE_SECONDS,
  TIB,
} from '../shared/limits.ts';
import { TargetLufs } from '../shared/loudness.ts';
import { KeyRotationSegments } from '../shared/protection.ts';
import { type DrmVendor, parseDrmVendor } from '../shared/protection-vendors.ts';
import { parseSigningKeys, type SigningKeys } from '../shared/sign.ts';
import { isWebhookSecret } from '../shared/standard-webhooks.ts';
import type { ProgressRoom } from './jobs/progress-room.ts';
import type { MetricsStore } from './ops/metrics-store.ts';
import type { PrewarmRegion } from './playback/prewarm-region.ts';
import type { WatchRoom } from './rooms/watch-room.ts';
import type { TusUpload } from './uploads/tus-upload.ts';

export type Env = {
  MEDIA: R2Bucket;
  /** Gets copies of public generations, for a CDN of one's own. */
  PUBLIC?: R2Bucket;
  DB: D1Database;
  TICKETS: Queue;
  WATCH: Queue;
  /** Gets a copy of what is watched. */
  WATCH_EVENTS?: AnalyticsEngineDataset;
  PROGRESS_ROOMS: DurableObjectNamespace<ProgressRoom>;
  TUS_UPLOADS: DurableObjectNamespace<TusUpload>;
  PREWARM_REGIONS: DurableObjectNamespace<PrewarmRegion>;
  WATCH_ROOMS: DurableObjectNamespace<WatchRoom>;
  /** Adds up what isolates count; without it the counters of /metrics are missing. */
  METRICS?: DurableObjectNamespace<MetricsStore>;
  TRANSCODERS?: DurableObjectNamespace;
  ASSETS: Fetcher;
  CREATE_LIMIT: RateLimit;
  /** Says who may watch what. */
  ENTITLEMENT?: Fetcher;
} & { [name: string]: unknown };

const Secret = z.string().min(32, 'needs at least 32 characters');

const Quota = z.coerce.number().int().min(0);

/** Rows of a ladder as JSON; empty text is none. */
function rowsOf<Rows>(schema: z.ZodType<Rows>) {
  return z
    .string()
    .optional()
    .transform((text, context): Rows | undefined => {
      if (!text) return undefined;
      let json: unknown;
      try {
        json = JSON.parse(text);
      } catch {
        context.addIssue({ code: 'custom', message: 'is not JSON' });
        return z.NEVER;
      }
      const rows = schema.safeParse(json);
      if (rows.success) return rows.data;
      for (const { message, path } of rows.error.issues) {
        context.addIssue({ code: 'custom', message: `row ${path.join('.')}: ${message}` });
      }
      return z.NEVER;
    });
}

function networkBitsOf(text: string, context: z.RefinementCtx): { v4: number; v6: number } | undefined {
  if (text === 'off') return undefined;
  const [, v4, v6 = '48'] = /^(\d{1,2})(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const bits = { v4: Number(v4), v6: Number(v6) };
  if (bits.v4 >= 8 && bits.v4 <= 32 && bits.v6 >= 16 && bits.v6 <= 128) return bits;
  context.addIssue({ code: 'custom', message: 'is off, or prefix lengths such as 24 or 24/48' });
  return z.NEVER;
}

function vendorOf(text: string | undefined, context: z.RefinementCtx): DrmVendor | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    return parseDrmVendor(text);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
}

const Config = z
  .object({
    JWT_SECRET: Secret.optional(),
    JWT_JWKS_URL: z.url().optional(),
    JWT_ISSUER: z.string().default('reelay'),
    JWT_AUDIENCE: z.string().default('reelay'),
    SIGNING_KEYS: z.string().transform((text, context): SigningKeys => {
      try {
        return parseSigningKeys(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message });
        return z.NEVER;
      }
    }),
    TRANSCODER_SECRET: Secret,
    /** Whoever shows it may read /metrics, as admins may. */
    METRICS_TOKEN: Secret.optional(),
    /** How long isolates keep what they count to themselves; at 0 they tell only when /metrics is asked for. */
    METRICS_FLUSH_SECONDS: z.coerce.number().min(0).max(20).default(5),
    /** What content keys are wrapped with, `kid:secret,kid:secret`; the first wraps. Absent: no protection. */
    KEYS_KEK: z
      .string()
      .optional()
      .transform((text, context): KeyEncryptionKeys | undefined => {
        if (text === undefined || text === '') return undefined;
        try {
          return parseKeyEncryptionKeys(text);
        } catch (error) {
          context.addIssue({ code: 'custom', message: (error as Error).message });
          return z.NEVER;
        }
      }),
    /** Vendors of licences, each JSON of `DrmVendor`; where there is one, ClearKey is offered only when it is `on`. */
    DRM_WIDEVINE: z.string().optional().transform(vendorOf),
    DRM_PLAYREADY: z.string().optional().transform(vendorOf),
    DRM_CLEARKEY: z.enum(['on', 'off']).optional(),
    /** Segments under one key of aes-128 for videos that do not say; one key for all where it is absent. */
    KEY_ROTATION_SEGMENTS: z.coerce.number().pipe(KeyRotationSegments).optional(),
    R2_BUCKET_NAME: z.string(),
    /** R2's S3 API as transcoders and presigned clients reach it. Absent: no presigned uploads. */
    R2_S3_ENDPOINT: z.url().optional(),
    R2_ACCESS_KEY_ID: z.string().optional(),
    R2_SECRET_ACCESS_KEY: z.string().optional(),
    LEASE_SECONDS: z.coerce.number().int().min(2).default(90),
    HEARTBEAT_SECONDS: z.coerce.number().min(0.5).default(15),
    EDGE_BODY_LIMIT_BYTES: z.coerce
      .number()
      .int()
      .positive()
      .max(EDGE_BODY_LIMIT_BYTES)
      .default(EDGE_BODY_LIMIT_BYTES),
    SEGMENT_SECONDS: z.coerce.number().min(2).max(12).default(6),
    ENCODER_PRESET: EncoderPreset.default('veryfast'),
    /** The encoder of videos that ask for none; h264_nvenc needs transcoders with a GPU. */
    ENCODER: VideoEncoder.default('libx264'),
    /** What becomes of a file that holds only sound where its video says nothing of it. */
    AUDIO_ONLY: z.enum(['refuse', 'publish']).default('refuse'),
    /** EBU R128 loudness of videos that ask for none; left alone where it is absent. */
    LOUDNESS_LUFS: z.coerce.number().pipe(TargetLufs).optional(),
    /** JSON rows of the ladder for videos that bring none: [{"shortSidePixels":720,"maxBitrateBps":2800000}]. */
    LADDER: rowsOf(Ladder),
    /** JSON rows of other encoders for videos that bring none: [{"encoder":"libx265","shortSidePixels":1080,"maxBitrateBps":3500000}]. */
    EXTRA_RUNGS: rowsOf(ExtraRungs),
    /** A job whose encoder no transcoder has shown for this long, with nothing of its kind at work, is refused. */
    ENCODER_WAIT_SECONDS: z.coerce
      .number()
      .int()
      .min(1)
      .default(10 * MINUTE_SECONDS),
    /** Exact origins that may call the API from a page, comma-separated; media answers any origin. */
    CORS_ORIGINS: z
      .string()
      .default('')
      .transform((text) =>
        text
          .split(',')
          .map((origin) => origin.trim())
          .filter(Boolean),
      ),
    /** `on`: this deployment runs its own transcoders as Cloudflare Containers and wakes them itself. */
    CONTAINERS: z.enum(['on', 'off']).default('off'),
    /** At most as many as `max_instances` of wrangler.toml; `npm run deploy` makes them equal. */
    MAX_CONTAINERS: z.coerce.number().int().min(1).default(5),
    /** Leading bits of the viewer's address a playback token is bound to: `off`, `24` (and 48 of IPv6), `24/48`. */
    BIND_IP: z
      .string()
      .default('off')
      .transform((text, context) => networkBitsOf(text, context)),
    /** Who plays a video with regions from a country nobody knows. */
    REGION_UNKNOWN: z.enum(['refuse', 'allow']).default('refuse'),
    /** Of one viewer; 0 stands for none. */
    MAX_DEVICES_PER_VIEWER: Quota.default(0),
    MAX_CONCURRENT_SESSIONS: Quota.default(0),
    /** No playback token lives longer without being renewed. */
    PLAY_TTL_MAX_SECONDS: z.coerce.number().int().min(10).max(DAY_SECONDS).default(DAY_SECONDS),
    /** Where the same media may be had when this host fails: its origin, and a path before `/p/` and `/hls/` if any. */
    MEDIA_FALLBACK_URL: z.url({ protocol: /^https?$/ }).optional(),
    /** How HLS masters name it: as a pathway of content steering, or as redundant variants alone. */
    MEDIA_FALLBACK_HLS: z.enum(['pathways', 'variants']).default('pathways'),
    /** Asked whether a viewer may watch, with Standard Webhooks signatures; a service binding of that name goes first. */
    ENTITLEMENT_URL: z.url({ protocol: /^https?$/ }).optional(),
    ENTITLEMENT_SECRET: z
      .string()
      .refine(isWebhookSecret, 'is whsec_ and base64 of 24 to 64 bytes')
      .optional(),
    ENTITLEMENT_DEFAULT: z.enum(['deny', 'allow']).default('deny'),
    /** `0` switches the create rate limit off (local load tests). */
    RATE_LIMITS: z.enum(['on', 'off']).default('on'),
    /** Quotas of one owner; 0 stands for none. Bytes count from creation: what is declared is reserved. */
    MAX_OPEN_UPLOADS: Quota.default(1000),
    MAX_BYTES_PER_DAY: Quota.default(20 * TIB),
    MAX_STORAGE_BYTES: Quota.default(0),
    /** One import: bytes at most, seconds from its first attempt on, and the ports https may use. */
    IMPORT_MAX_BYTES: z.coerce
      .number()
      .int()
      .positive()
      .max(EDGE_MULTIPART_MAX_BYTES)
      .default(EDGE_MULTIPART_MAX_BYTES),
    IMPORT_MAX_SECONDS: z.coerce
      .number()
      .int()
      .positive()
      // R2 drops what a multipart upload has stored after a week.
      .max(7 * DAY_SECONDS)
      .default(DAY_SECONDS),
    IMPORT_PORTS: z
      .string()
      .regex(/^\d{1,5}(,\d{1,5})*$/, 'is a list of port numbers')
      .default(DEFAULT_IMPORT_PORTS.join(','))
      .transform((text) => text.split(',').map(Number)),
    /** Seconds a webhook's receiver has for its answer, and what the waits between attempts are multiplied by. */
    WEBHOOK_TIMEOUT_SECONDS: z.coerce.number().min(0.1).max(15).default(15),
    WEBHOOK_DELAY_SCALE: z.coerce.number().min(0).max(1).default(1),
    /** `on`: webhooks to this very machine, by http too. For a stack on one machine alone. */
    WEBHOOK_ALLOW_LOOPBACK: z.enum(['on', 'off']).default('off'),
    /** The older API at /api/v1/video: who sees its uploads, who may ask how far they are, where MP4s lie. */
    LEGACY_VISIBILITY: z.enum(['public', 'private']).default('public'),
    LEGACY_STATUS_AUTH: z.enum(['none', 'required']).default('none'),
    LEGACY_SOURCE_TEMPLATES: z
      .string()
      .default(DEFAULT_SOURCE_TEMPLATES)
      .transform((text, context) => {
        try {
          return parseSourceTemplates(text);
        } catch (error) {
          context.addIssue({ code: 'custom', message: (error as Error).message });
          return z.NEVER;
        }
      }),
    /** Whose conversions may look there; `admin` where several owners share a deployment. */
    LEGACY_SOURCE_ROLE: z.enum(['uploader', 'admin']).default('uploader'),
    /** `on`: URLs of this very machine, by http too. For tests of a stack on one machine alone. */
    IMPORT_ALLOW_LOOPBACK: z.enum(['on', 'off']).default('off'),
  })
  .refine((config) => config.JWT_SECRET || config.JWT_JWKS_URL, {
    message: 'JWT_SECRET or JWT_JWKS_URL is needed',
  })
  .refine((config) => !config.ENTITLEMENT_URL || config.ENTITLEMENT_SECRET, {
    message: 'ENTITLEMENT_URL needs ENTITLEMENT_SECRET',
  })
  .refine(
    ({ DRM_CLEARKEY, DRM_WIDEVINE, DRM_PLAYREADY }) =>
      DRM_CLEARKEY !== 'off' || DRM_WIDEVINE || DRM_PLAYREADY,
    { message: 'DRM_CLEARKEY can be off only where DRM_WIDEVINE or DRM_PLAYREADY issue licences' },
  );

export type Config = z.infer<typeof Config>;

const parsed = new WeakMap<object, Config>();

/** @throws Error naming every missing or wrong variable. */
export function configOf(env: Env): Config {
  let config = parsed.get(env);
  if (!config) {
    const result = Config.safeParse(env);
    if (!result.success) throw new Error(`configuration: ${z.prettifyError(result.error)}`);
    config = result.data;
    parsed.set(env, config);
  }
  return config;
}

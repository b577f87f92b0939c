// The public HTTP surface: request and response schemas. Types come from the same objects that validate.
import { z } from 'zod';
import { Chapter } from './chapters.ts';
import { EncoderPreset, VideoEncoder } from './encoder.ts';
import { ExtraRung, LadderRow } from './ladder.ts';
import { Loudness } from './loudness.ts';
import { PageQuery } from './page-cursor.ts';
import { KeyRotationSegments, Protection } from './protection.ts';
import { Receipt } from './receipt.ts';
import { JobState, UploadState, VideoState } from './states.ts';
import { SubtitleInfo } from './subtitle-api.ts';
import { Warning } from './warnings.ts';

export const Role = z.enum(['admin', 'uploader', 'viewer']);
export type Role = z.infer<typeof Role>;

export const VideoKind = z.enum(['movie', 'episode', 'video']);
export type VideoKind = z.infer<typeof VideoKind>;

/** A client's own id of a title; becomes part of a path. */
export const ContentId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'contentId is 1 to 64 of A-Z a-z 0-9 _ -');

/** For one line of text, which ends up in pages, headers and terminals. */
const PLAIN = [/^\P{Cc}*$/u, 'has control characters'] as const;

export const Ladder = z.array(LadderRow).min(1).max(10);
/** Rows of other encoders, picked from as a ladder of their own. */
export const ExtraRungs = z.array(ExtraRung).max(20);
const SegmentSeconds = z.number().min(2).max(12);
const Regions = z.array(z.string().regex(/^[A-Z]{2}$/, 'regions are ISO 3166-1 alpha-2 codes')).max(250);
const Tags = z
  .array(
    z
      .string()
      .min(1)
      .max(64)
      .regex(...PLAIN),
  )
  .max(32);

export const VideoInput = z
  .object({
    title: z
      .string()
      .trim()
      .min(1)
      .max(500)
      .regex(...PLAIN)
      .optional(),
    kind: VideoKind.optional(),
    contentId: ContentId.optional(),
    visibility: z.enum(['private', 'public']).optional(),
    protection: Protection.optional(),
    /** Of aes-128: how many segments share a key; all of them where it is absent. */
    keyRotationSegments: KeyRotationSegments.optional(),
    regions: Regions.optional(),
    tags: Tags.optional(),
    ladder: Ladder.optional(),
    extraRungs: ExtraRungs.optional(),
    segmentSeconds: SegmentSeconds.optional(),
    preset: EncoderPreset.optional(),
    encoder: VideoEncoder.optional(),
    /** Publish a file that holds only sound, as sound alone. */
    audioOnly: z.boolean().optional(),
    /** null: as it is, whatever the deployment's default. */
    loudness: Loudness.nullable().optional(),
  })
  .strict();
export type VideoInput = z.infer<typeof VideoInput>;

export const VideoPatch = VideoInput.pick({
  title: true,
  visibility: true,
  regions: true,
  tags: true,
}).partial();
export type VideoPatch = z.infer<typeof VideoPatch>;

// Uploads

export const UploadMethod = z.enum(['single', 'multipart', 'presigned', 'tus']);
export type UploadMethod = z.infer<typeof UploadMethod>;

/** Lower-case hex SHA-256 of the whole file. */
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const CreateUpload = z
  .object({
    filename: z
      .string()
      .min(1)
      .max(1024)
      .regex(...PLAIN),
    sizeBytes: z.int().min(0),
    /** tus uploads are created at /v1/tus. */
    method: z.union([UploadMethod.exclude(['tus']), z.literal('auto')]).default('auto'),
    sha256: Sha256.optional(),
    video: VideoInput.default({}),
  })
  .strict();
export type CreateUpload = z.infer<typeof CreateUpload>;

export const PresignedPart = z.object({
  number: z.int(),
  url: z.string(),
  headers: z.record(z.string(), z.string()),
});
export type PresignedPart = z.infer<typeof PresignedPart>;

export const CreatedUpload = z.object({
  uploadId: z.string(),
  videoId: z.string(),
  method: UploadMethod,
  partSizeBytes: z.int(),
  partCount: z.int(),
  expiresAt: z.string(),
  parts: z.array(PresignedPart).optional(),
});
export type CreatedUpload = z.infer<typeof CreatedUpload>;

export const PresignedParts = z.object({ parts: z.array(PresignedPart) });
export const PartNumbers = z.object({ numbers: z.array(z.int().min(1)).min(1).max(50) }).strict();
export const PartEtag = z.object({ etag: z.string().min(1).max(1024) }).strict();

export const UploadedPart = z.object({ number: z.int(), etag: z.string(), sizeBytes: z.int() });
export type UploadedPart = z.infer<typeof UploadedPart>;

export const UploadStatus = z.object({
  uploadId: z.string(),
  videoId: z.string(),
  method: UploadMethod,
  state: UploadState,
  sizeBytes: z.int(),
  receivedBytes: z.int(),
  partSizeBytes: z.int(),
  partCount: z.int(),
  parts: z.array(UploadedPart),
  expiresAt: z.string(),
});
export type UploadStatus = z.infer<typeof UploadStatus>;

export const CompleteUpload = z
  .object({
    parts: z
      .array(z.object({ number: z.int().min(1), etag: z.string().min(1) }))
      .max(10_000)
      .optional(),
  })
  .strict();
export type CompleteUpload = z.infer<typeof CompleteUpload>;

export const CompletedUpload = z.object({ videoId: z.string(), jobId: z.string() });
export type CompletedUpload = z.infer<typeof CompletedUpload>;

/** Exactly one of `url` and `bucketKey`, a key of the deployment's own bucket. */
export const CreateImport = z
  .object({
    url: z.string().min(1).optional(),
    bucketKey: z.string().min(1).max(1024).optional(),
    sha256: Sha256.optional(),
    video: VideoInput.default({}),
  })
  .strict()
  .refine(({ url, bucketKey }) => (url === undefined) !== (bucketKey === undefined), {
    message: 'name either url or bucketKey',
  });
export type CreateImport = z.infer<typeof CreateImport>;

export const CreatedImport = z.object({ videoId: z.string(), jobId: z.string() });
export type CreatedImport = z.infer<typeof CreatedImport>;

// Videos and jobs

export const ApiError = z.object({ code: z.string(), detail: z.string() });
export type ApiError = z.infer<typeof ApiError>;

/** One published video rendition. Bitrates are bits per second, measured over the segments. */
export const RenditionInfo = z.object({
  name: z.string(),
  width: z.int(),
  height: z.int(),
  bandwidthBps: z.int(),
  averageBandwidthBps: z.int(),
  codecs: z.string(),
});
export type RenditionInfo = z.infer<typeof RenditionInfo>;

export const AudioInfo = z.object({
  name: z.string(),
  language: z.string(),
  label: z.string(),
  channels: z.int(),
  codecs: z.string(),
  bandwidthBps: z.int(),
  averageBandwidthBps: z.int(),
  isDefault: z.boolean(),
});
export type AudioInfo = z.infer<typeof AudioInfo>;

export const Job = z.object({
  id: z.string(),
  videoId: z.string(),
  kind: z.enum(['transcode']),
  state: JobState,
  /** Per cent, 0 to 100, never falling; 100 only when the job has succeeded. */
  progress: z.number(),
  stage: z.string(),
  etaSeconds: z.number().optional(),
  tasks: z.object({ done: z.int(), total: z.int() }),
  error: ApiError.optional(),
  createdAt: z.string(),
  startedAt: z.string().optional(),
  finishedAt: z.string().optional(),
  timings: z.record(z.string(), z.number()),
  /** Of a job that succeeded. */
  receipt: Receipt.optional(),
});
export type Job = z.infer<typeof Job>;

export const Video = z.object({
  id: z.string(),
  ownerId: z.string(),
  title: z.string(),
  kind: VideoKind,
  contentId: z.string().optional(),
  visibility: z.enum(['private', 'public']),
  protection: Protection,
  state: VideoState,
  regions: z.array(z.string()),
  tags: z.array(z.string()),
  durationSeconds: z.number().optional(),
  width: z.int().optional(),
  height: z.int().optional(),
  frameRate: z.number().optional(),
  sizeBytes: z.int().optional(),
  renditions: z.array(RenditionInfo),
  audio: z.array(AudioInfo),
  subtitles: z.array(SubtitleInfo),
  chapters: z.array(Chapter).optional(),
  /** What of the file is left out or mended. */
  warnings: z.array(Warning).optional(),
  /** Of a public video, for everybody. */
  hlsUrl: z.string().optional(),
  dashUrl: z.string().optional(),
  posterUrl: z.string().optional(),
  job: Job.optional(),
  error: ApiError.optional(),
  createdAt: z.string(),
  readyAt: z.string().optional(),
});
export type Video = z.infer<typeof Video>;

export const VideoList = z.object({ videos: z.array(Video), nextCursor: z.string().optional() });
export type VideoList = z.infer<typeof VideoList>;

/** Newest first; `q` is looked for in titles. */
export const VideoQuery = PageQuery.extend({
  state: VideoState.optional(),
  kind: VideoKind.optional(),
  q: z.string().max(200).optional(),
});

export const TranscodeRequest = z
  .object({
    ladder: Ladder.optional(),
    extraRungs: ExtraRungs.optional(),
    protection: Protection.optional(),
    keyRotationSegments: KeyRotationSegments.optional(),
    segmentSeconds: SegmentSeconds.optional(),
    preset: EncoderPreset.optional(),
    encoder: VideoEncoder.optional(),
    audioOnly: z.boolean().optional(),
    loudness: Loudness.nullable().optional(),
  })
  .strict();
export type TranscodeRequest = z.infer<typeof TranscodeRequest>;

export const AcceptedJob = z.object({ jobId: z.string() });
export type AcceptedJob = z.infer<typeof AcceptedJob>;

/** What a job's event stream says: over WebSocket one JSON text per message, over SSE one `data:` each. */
export const JobEvent = z.object({
  type: z.enum(['snapshot', 'progress', 'state', 'playable', 'ready', 'failed']),
  jobId: z.string(),
  videoId: z.string(),
  state: JobState,
  progress: z.number(),
  stage: z.string(),
  etaSeconds: z.number().optional(),
  error: ApiError.optional(),
});
export type JobEvent = z.infer<typeof JobEvent>;

export const Ticket = z.object({ ticket: z.string(), expiresAt: z.string() });

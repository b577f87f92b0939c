// What crosses between Worker and transcoder: queue tickets, the internal ledger API, and the R2 documents
// of a job under work/. Every later call after a claim is authenticated by the claim's job token.
import { z } from 'zod';
import { AudioInfo, RenditionInfo } from './api.ts';
import { Chapter } from './chapters.ts';
import { VideoEncoder } from './encoder.ts';
import { KeyRange } from './manifest-tracks.ts';
import { PlanOptions } from './plan.ts';
import { KeyId, Protection } from './protection.ts';
import { Receipt } from './receipt.ts';
import { TaskKind } from './states.ts';
import { SubtitleInfo } from './subtitle-api.ts';
import { Warning } from './warnings.ts';

/** A queue message: a wake-up and nothing more. D1 decides what there is to do. */
export const Ticket = z.object({ v: z.literal(1), jobId: z.string() });
export type Ticket = z.infer<typeof Ticket>;

// POST /internal/hello (transcoder secret): a restarted worker gives back what its former self held.
export const Hello = z.object({ workerId: z.string().min(1).max(128) });
export const HelloAnswer = z.object({ released: z.int() });

// POST /internal/claim (transcoder secret) -> 204 when there is nothing, else a Claim.
export const ClaimRequest = z.object({
  workerId: z.string().min(1).max(128),
  /** Identity of the encoder: ffmpeg build, threads, argument version. One profile encodes one job. */
  profile: z.string().min(1).max(128),
  /** Encoders that passed this transcoder's start-up check; libx264 alone where it says nothing. */
  encoders: z.array(VideoEncoder).min(1).max(8).optional(),
});
export type ClaimRequest = z.infer<typeof ClaimRequest>;

export const TaskClaim = z.object({
  jobId: z.string(),
  /** `import`, `plan`, `chunk:3`, `audio:0`, `finish`. */
  name: z.string(),
  kind: TaskKind,
  index: z.int(),
  epoch: z.int(),
  /** Contiguous segments of this task that are durable and committed; work starts after them. */
  mark: z.int(),
});
export type TaskClaim = z.infer<typeof TaskClaim>;

export const StorageAccess = z.object({
  endpoint: z.string(),
  bucket: z.string(),
  accessKeyId: z.string(),
  secretAccessKey: z.string(),
  sessionToken: z.string().optional(),
});
export type StorageAccess = z.infer<typeof StorageAccess>;

// POST /internal/keys: content keys of the task's job by their numbers, made where they are not there yet. They are
// in no claim, since claims are logged and kept.
export const KeyRequest = z.object({ numbers: z.array(z.int().min(0).max(99_999)).min(1).max(100) });
export const IssuedKeys = z.object({
  keys: z.array(
    z.object({
      n: z.int(),
      keyId: KeyId,
      /** 16 bytes, base64url. */
      key: z.string().length(22),
    }),
  ),
});
export type IssuedKeys = z.infer<typeof IssuedKeys>;

// POST /internal/import/begin: the file is about to be read from its first byte; what was stored of it before is
// given up, and the task's mark is 0 again.
export const ImportBegin = z.object({
  /** Strong etag or date of the last change; absent where the file cannot be resumed. */
  validator: z.string().max(1024).optional(),
  sizeBytes: z.int().min(1).optional(),
});
export type ImportBegin = z.infer<typeof ImportBegin>;

/** The multipart upload a file goes into, in parts of this size but the last. */
export const ImportTarget = z.object({ r2UploadId: z.string(), partSizeBytes: z.int().min(1) });
export type ImportTarget = z.infer<typeof ImportTarget>;

/** What an `import` task fetches: either a URL or a key of the deployment's own bucket. */
export const ImportOrder = z.object({
  url: z.string().optional(),
  bucketKey: z.string().optional(),
  maxBytes: z.int().min(1),
  /** Until the import has taken too long, over all its attempts. */
  secondsLeft: z.int(),
  /** Ports that https may use. */
  ports: z.array(z.int()),
  /** What earlier attempts have begun: `task.mark` whole parts of this file are durable. */
  begun: ImportTarget.extend(ImportBegin.shape).optional(),
});
export type ImportOrder = z.infer<typeof ImportOrder>;

export const Claim = z.object({
  jobToken: z.string(),
  leaseSeconds: z.number(),
  heartbeatSeconds: z.number(),
  task: TaskClaim,
  job: z.object({
    videoId: z.string(),
    source: z.object({
      key: z.string(),
      etag: z.string(),
      sizeBytes: z.int(),
      /** Hex SHA-256 its owner declared and nobody has checked: nothing may be published before it holds. */
      sha256: z.string().optional(),
    }),
    /** Where this job's generation is written, with a trailing slash. */
    outputPrefix: z.string(),
    options: PlanOptions,
    /** W3C trace context of the request that began the job; every call about the task goes on with it. */
    traceparent: z.string().optional(),
    /** Of an `import` task alone; its job has no source yet but the key to store it under. */
    import: ImportOrder.optional(),
  }),
  storage: StorageAccess,
});
export type Claim = z.infer<typeof Claim>;

// POST /internal/heartbeat -> 200 or 409 lease_lost.
export const LeaseAnswer = z.object({
  leaseSeconds: z.number(),
  /** Replaces the claim's token, which would expire under a task of hours. */
  jobToken: z.string().optional(),
});

// POST /internal/commit: segment number `mark` (counted from 1 within the task) is durable. Exactly one more
// than the ledger's mark; repeating the last commit is answered 200. An import commits parts, with what R2 said.
export const ImportedPart = z.object({ etag: z.string().min(1).max(1024), sizeBytes: z.int().min(1) });
export type ImportedPart = z.infer<typeof ImportedPart>;
export const Commit = z.object({ mark: z.int().min(1), part: ImportedPart.optional() });
export const CommitAnswer = z.object({ mark: z.int() });

/** The part of a plan the ledger and the display need. */
export const PlanSummary = z.object({
  totalFrames: z.int().min(1),
  segmentCount: z.int().min(1),
  segmentFrames: z.int().min(1),
  /** None where there is only sound. */
  chunks: z.array(z.object({ segmentCount: z.int().min(1), frames: z.int().min(1) })),
  /** Segments per audio track are the video's count as a hint; tracks end where they end. */
  audioTracks: z.int().min(0),
  /** Subtitle tracks, all of them made by one task. */
  textTracks: z.int().min(0).optional(),
  /** Segments of the copied rendition, where the source can be played by a copy. */
  instantSegments: z.int().min(1).optional(),
  /** How many of them the plan's own task has stored. */
  instantMark: z.int().min(1).optional(),
  durationSeconds: z.number(),
  width: z.int(),
  height: z.int(),
  frameRate: z.number(),
});
export type PlanSummary = z.infer<typeof PlanSummary>;

// POST /internal/plan: ends the plan task and creates the others.
export const PlanReport = z.object({ summary: PlanSummary });

// POST /internal/imported: all parts are committed; ends the import task and makes the object the job's source.
export const ImportReport = z.object({ sizeBytes: z.int().min(1) });

// POST /internal/done: ends a chunk or audio task whose segments and facts are all durable.
export const TaskDone = z.object({ mark: z.int().min(0) });

// POST /internal/fail
export const TaskFailure = z.object({
  code: z.string(),
  detail: z.string().max(4000),
  /** media: the file is at fault, the job ends. resources: ffmpeg died by signal or memory; twice ends the
   * job. retryable: anything else; the task goes back with a delay. */
  kind: z.enum(['media', 'resources', 'retryable']),
});
export type TaskFailure = z.infer<typeof TaskFailure>;

// POST /internal/release: a draining transcoder gives the task back at once.

// POST /internal/progress: for display only, about once a second, never stored in D1.
export const TaskProgress = z.union([
  z.object({ framesDone: z.int().min(0) }),
  z.object({ bytesDone: z.int().min(0) }),
]);
export type TaskProgress = z.infer<typeof TaskProgress>;

/** What a finished generation is; stored with the video and rendered into API answers. */
export const Presentation = z.object({
  durationSeconds: z.number(),
  /** Absent where there is only sound. */
  width: z.int().optional(),
  height: z.int().optional(),
  frameRate: z.number().optional(),
  sizeBytes: z.int(),
  renditions: z.array(RenditionInfo),
  audio: z.array(AudioInfo),
  hasPoster: z.boolean(),
  /** The tracks that came with the file. */
  subtitles: z.array(SubtitleInfo).optional(),
  chapters: z.array(Chapter).optional(),
  warnings: z.array(Warning).optional(),
  hasStoryboard: z.boolean().optional(),
  hasPreview: z.boolean().optional(),
  hasProgressive: z.boolean().optional(),
  /** Absent where nothing is encrypted. */
  protection: Protection.exclude(['none']).optional(),
});
export type Presentation = z.infer<typeof Presentation>;

// POST /internal/publish: ends the finish task and the job, moves the video's pointer.
export const PublishReport = z.object({ presentation: Presentation, receipt: Receipt.optional() });

// R2 documents under work/{jobId}/

/** Facts of one stored segment, read from the bytes that were PUT. Ticks are of the track's timescale. */
export const SegmentFacts = z.object({
  index: z.int(),
  sizeBytes: z.int(),
  sha256: z.string(),
  startTicks: z.int(),
  durationTicks: z.int(),
  samples: z.int(),
  /** Decode time of each key frame (video). */
  keyTicks: z.array(z.int()),
  /** Where each of them lies, where a fragment begins with it. */
  keyRanges: z.array(KeyRange).optional(),
});
export type SegmentFacts = z.infer<typeof SegmentFacts>;

export const InitFacts = z.object({
  sizeBytes: z.int(),
  sha256: z.string(),
  /** RFC 6381 string from the sample entry. */
  codecs: z.string(),
  timescale: z.int(),
});
export type InitFacts = z.infer<typeof InitFacts>;

/** One track (a video rendition or an audio rendition) as a task made it. */
export const TrackFacts = z.object({
  stem: z.string(),
  init: InitFacts,
  segments: z.array(SegmentFacts),
});
export type TrackFacts = z.infer<typeof TrackFacts>;

/** work/{jobId}/text.json: subtitles by the name of their track in the plan; those that show nothing are absent. */
export const TextFacts = z.object({
  version: z.literal(1),
  tracks: z.array(z.object({ name: z.string(), vtt: z.string() })),
  /** What could not be had. */
  warnings: z.array(Warning),
});
export type TextFacts = z.infer<typeof TextFacts>;

/** work/{jobId}/chunk_{k}.json and audio_{t}.json. */
export const TaskFacts = z.object({
  version: z.literal(1),
  /** At least one, unless it was `dropped`. */
  tracks: z.array(TrackFacts),
  /** Stem of the track that was left out, since nothing of it could be had. */
  dropped: z.string().optional(),
  warnings: z.array(Warning).optional(),
  /** User and system time of the attempt that ended the task. */
  cpuSeconds: z.number().optional(),
});
export type TaskFacts = z.infer<typeof TaskFacts>;

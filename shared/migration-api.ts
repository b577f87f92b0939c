// Migrations as the public API shows them: a library's items, which of them is converted, and by which video.
import { z } from 'zod';
import { ContentId, VideoKind } from './api.ts';

/** 32 hex digits: the same title, source, etag and profile have the same key, whoever asks. */
export const MigrationKey = z.string().regex(/^[0-9a-f]{32}$/, 'is 32 hex digits');

export const CreateMigration = z
  .object({
    /** The same name means the same migration: whoever has lost its journal goes on with it. */
    name: z
      .string()
      .trim()
      .min(1)
      .max(200)
      .regex(/^\P{Cc}*$/u, 'has control characters'),
  })
  .strict();

export const MigrationItemState = z.enum(['pending', 'converting', 'done', 'failed', 'rolled_back']);
export type MigrationItemState = z.infer<typeof MigrationItemState>;

export const NewMigrationItem = z
  .object({
    key: MigrationKey,
    kind: VideoKind,
    contentId: ContentId.optional(),
    /** Where it comes from, for people: no signatures, no credentials. */
    source: z.string().min(1).max(1024),
    sourceEtag: z.string().max(512).optional(),
    sizeBytes: z.int().min(0).optional(),
  })
  .strict();
export type NewMigrationItem = z.infer<typeof NewMigrationItem>;

export const MAX_ITEMS_PER_REQUEST = 200;

export const RegisterItems = z
  .object({
    items: z.array(NewMigrationItem).min(1).max(MAX_ITEMS_PER_REQUEST),
    /** What has failed or was rolled back is tried again. */
    again: z.boolean().default(false),
  })
  .strict();

const ItemError = z.object({ code: z.string().min(1).max(100), detail: z.string().max(2000) });

/** What a migrator tells of an item. `attempt` counts from 1; what is told of another attempt is refused. */
export const ItemReport = z.discriminatedUnion('state', [
  z.object({
    state: z.literal('converting'),
    attempt: z.int().min(1),
    videoId: z.uuid(),
    jobId: z.uuid(),
  }),
  /** An attempt has failed and another one follows. */
  z.object({ state: z.literal('pending'), attempt: z.int().min(1), error: ItemError }),
  z.object({ state: z.literal('done'), attempt: z.int().min(1), durationSeconds: z.number().min(0) }),
  z.object({
    state: z.literal('failed'),
    attempt: z.int().min(0),
    error: ItemError,
    /** The video is whole but not what its source is: it stays, for a person to look at. */
    keepsVideo: z.boolean().default(false),
  }),
  z.object({ state: z.literal('rolled_back') }),
]);
export type ItemReport = z.infer<typeof ItemReport>;

export const MigrationItem = z.object({
  key: z.string(),
  migrationId: z.string(),
  kind: VideoKind,
  contentId: z.string().optional(),
  source: z.string(),
  sourceEtag: z.string().optional(),
  sizeBytes: z.int().optional(),
  state: MigrationItemState,
  /** The last one that has begun; 0 before the first. */
  attempt: z.int(),
  /** Made by the migration, and there as long as the item is converting or done. */
  videoId: z.string().optional(),
  jobId: z.string().optional(),
  durationSeconds: z.number().optional(),
  error: z.object({ code: z.string(), detail: z.string() }).optional(),
  updatedAt: z.string(),
});
export type MigrationItem = z.infer<typeof MigrationItem>;

export const MigrationItemList = z.object({
  items: z.array(MigrationItem),
  nextCursor: z.string().optional(),
});
export type MigrationItemList = z.infer<typeof MigrationItemList>;

export const MigrationPage = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().max(64).optional(),
});
export const MigrationItemPage = MigrationPage.extend({ state: MigrationItemState.optional() });
export const AttemptQuery = z.object({ attempt: z.coerce.number().int().min(1) });

/** What an attempt has made, whoever has lost the answer that told it. */
export const MadeVideo = z.object({ videoId: z.string(), jobId: z.string() });

export const Migration = z.object({
  id: z.string(),
  name: z.string(),
  /** How many items are in each state. */
  items: z.record(MigrationItemState, z.int()),
  createdAt: z.string(),
});
export type Migration = z.infer<typeof Migration>;

export const MigrationList = z.object({
  migrations: z.array(Migration),
  nextCursor: z.string().optional(),
});
export type MigrationList = z.infer<typeof MigrationList>;

/** Videos that were made for items which do not know of them. */
export const StrayVideos = z.array(z.object({ key: z.string(), videoId: z.string() }));
export type StrayVideos = z.infer<typeof StrayVideos>;

/** What lies in the deployment's own bucket under a prefix. */
export const BucketListing = z.object({
  objects: z.array(z.object({ key: z.string(), sizeBytes: z.int(), etag: z.string() })),
  nextCursor: z.string().optional(),
});
export type BucketListing = z.infer<typeof BucketListing>;

/** More than an index of any sane film takes in one read. */
export const MAX_BUCKET_READ_BYTES = 8 * 1024 * 1024;

/** The tag by which the video of an attempt is found again, whatever became of the answer that told its id. */
export function attemptTag(key: string, attempt: number): string {
  return `migration:${key}:${attempt}`;
}

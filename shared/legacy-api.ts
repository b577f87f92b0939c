// The older API that existing clients call, /api/v1/video/*: its forms and its answers.
import { z } from 'zod';
import { ContentId, type VideoKind } from './api.ts';
import { AppError } from './errors.ts';
import { KIB } from './limits.ts';

export const LEGACY_UPLOAD_PATH = '/api/v1/video/upload-hls-video';
export const LEGACY_CONVERT_PATH = '/api/v1/video/convert-existing-video';
export const LEGACY_STATUS_PATH = '/api/v1/video/processing-status';

export const MAX_FIELD_BYTES = 64 * KIB;

const LegacyType = z.enum(['movie', 'episode'], 'content_type is movie or episode');

const LegacyFields = z.object({
  content_type: LegacyType,
  content_id: ContentId,
});

/** Which title a form speaks of. */
export type LegacyTitle = { kind: Exclude<VideoKind, 'video'>; contentId: string };

/** @throws AppError `invalid_request` naming the field */
export function titleIn(fields: ReadonlyMap<string, string>): LegacyTitle {
  const result = LegacyFields.safeParse(Object.fromEntries(fields));
  if (result.success) return { kind: result.data.content_type, contentId: result.data.content_id };
  const { path, message } = result.error.issues[0]!;
  const name = path.join('.');
  throw new AppError('invalid_request', {
    detail: fields.has(name) ? `${message.replace(/^contentId/, name)}.` : `The form has no field ${name}.`,
    extra: { field: name },
  });
}

export function hasTitle(fields: ReadonlyMap<string, string>): boolean {
  return fields.has('content_type') && fields.has('content_id');
}

/** @throws AppError `invalid_request` for a field that is not known, or comes twice */
export function requireNewField(fields: ReadonlyMap<string, unknown>, name: string): void {
  const isKnown = Object.hasOwn(LegacyFields.shape, name);
  if (isKnown && !fields.has(name)) return;
  throw new AppError('invalid_request', {
    detail: isKnown
      ? `The form has the field ${name} twice.`
      : `The form has a field ${JSON.stringify(name)}, which is not known here.`,
    extra: { field: name },
  });
}

export const LegacyAccepted = z.object({
  success: z.literal(true),
  job_id: z.string(),
  message: z.string(),
  status_endpoint: z.string(),
});
export type LegacyAccepted = z.infer<typeof LegacyAccepted>;

export function legacyAccepted(jobId: string, message: string): LegacyAccepted {
  return { success: true, job_id: jobId, message, status_endpoint: `${LEGACY_STATUS_PATH}/${jobId}` };
}

export const LegacyStatus = z.object({
  status: z.enum(['queued', 'processing', 'completed', 'failed']),
  progress: z.int(),
  message: z.string(),
  content_type: LegacyType,
  content_id: z.union([z.int(), z.string()]),
  result: z
    .object({
      hls_url: z.string(),
      duration: z.number(),
      variants: z.array(z.object({ quality: z.string(), bandwidth: z.int(), resolution: z.string() })),
      files_uploaded: z.int(),
      processing_time_seconds: z.number(),
    })
    .optional(),
  error: z.object({ code: z.string(), detail: z.string() }).optional(),
});
export type LegacyStatus = z.infer<typeof LegacyStatus>;

/** Numbers went in as form text and come out as the JSON numbers they always were; other ids are text. */
export function legacyId(contentId: string): number | string {
  const isNumber = /^(0|[1-9]\d{0,15})$/.test(contentId) && Number.isSafeInteger(Number(contentId));
  return isNumber ? Number(contentId) : contentId;
}

/** What a form turned out to hold, where its upload was created before anybody could know. */
export const WholeForm = z
  .object({
    sizeBytes: z.int().min(1),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    kind: LegacyType,
    contentId: ContentId,
  })
  .strict();
export type WholeForm = z.infer<typeof WholeForm>;

// Files on their way in.
import { z } from 'zod';
import {
  CompletedUpload,
  CompleteUpload,
  CreatedImport,
  CreatedUpload,
  CreateImport,
  CreateUpload,
  PartEtag,
  PartNumbers,
  PresignedParts,
  UploadedPart,
  UploadStatus,
} from '../api.ts';
import { WholeForm } from '../legacy-api.ts';
import { PreflightAnswer } from '../preflight-answer.ts';
import type { OperationTable } from './operation.ts';

const CREATION = [
  'upload_empty',
  'upload_too_large',
  'upload_method_unavailable',
  'protection_not_available',
  'content_id_taken',
  'quota_exceeded',
  'daily_quota_exceeded',
  'rate_limited',
] as const;
const NOT_OPEN = ['upload_not_open', 'upload_expired', 'upload_wrong_method'] as const;
const BYTES = [
  ...NOT_OPEN,
  'invalid_request',
  'upload_length_required',
  'upload_body_too_large',
  'upload_part_in_progress',
  'upload_checksum_mismatch',
  'upload_checksum_unsupported',
] as const;
/** What the first bytes of a whole file may turn out to be. */
const VERDICTS = [
  'media_not_video',
  'media_playlist_refused',
  'media_image_refused',
  'media_unsupported_container',
  'media_truncated',
] as const;
const ENDING = [
  'upload_parts_missing',
  'upload_part_etag_mismatch',
  'upload_size_mismatch',
  'upload_checksum_mismatch',
  ...VERDICTS,
] as const;
const TUS_CHUNK = [
  'upload_content_type_wrong',
  'upload_offset_conflict',
  'upload_locked',
  'upload_size_exceeded',
  'upload_checksum_unsupported',
  'upload_chunk_checksum_mismatch',
  'upload_terminated',
] as const;
const TUS_HEADERS = { 'Tus-Resumable': '1.0.0' } as const;
const DIGESTS = {
  'Content-Digest': 'RFC 9530: sha-256 or sha-512 of the body, checked before anything is kept.',
  'Content-MD5': 'The older way to say it.',
} as const;

export const UPLOAD_OPERATIONS = {
  'POST /v1/uploads': {
    summary: 'Begin an upload',
    tag: 'Uploads',
    access: 'uploader',
    body: CreateUpload,
    answers: { 201: CreatedUpload },
    errors: CREATION,
    isIdempotent: true,
  },
  'GET /v1/uploads/{id}': {
    summary: 'What of an upload has arrived',
    tag: 'Uploads',
    access: 'uploader',
    answers: { 200: UploadStatus },
    errors: [],
  },
  'PUT /v1/uploads/{id}/content': {
    summary: 'Send a whole file in one request',
    tag: 'Uploads',
    access: 'uploader',
    headers: DIGESTS,
    body: { media: 'application/octet-stream', about: 'The file, of the declared size.' },
    answers: { 204: null },
    errors: [...BYTES, 'upload_size_mismatch'],
  },
  'POST /v1/uploads/{id}/parts': {
    summary: 'Get presigned URLs for parts',
    tag: 'Uploads',
    access: 'uploader',
    body: PartNumbers,
    answers: { 200: PresignedParts },
    errors: [...NOT_OPEN, 'upload_part_number_invalid', 'upload_method_unavailable'],
    isIdempotent: true,
  },
  'PUT /v1/uploads/{id}/parts/{number}': {
    summary: 'Send one part through the edge',
    tag: 'Uploads',
    access: 'uploader',
    headers: DIGESTS,
    body: { media: 'application/octet-stream', about: 'The part: all but the last have `partSizeBytes`.' },
    answers: { 200: UploadedPart },
    errors: [...BYTES, 'upload_part_number_invalid', 'upload_part_size_mismatch'],
  },
  'PUT /v1/uploads/{id}/parts/{number}/etag': {
    summary: 'Report a part that was sent to its presigned URL',
    tag: 'Uploads',
    access: 'uploader',
    body: PartEtag,
    answers: { 204: null },
    errors: [...NOT_OPEN, 'upload_part_number_invalid'],
  },
  'POST /v1/uploads/{id}/complete': {
    summary: 'End an upload: its job begins',
    tag: 'Uploads',
    access: 'uploader',
    body: CompleteUpload,
    isBodyOptional: true,
    answers: { 200: CompletedUpload },
    errors: [...NOT_OPEN, ...ENDING, 'upload_part_number_invalid'],
    isIdempotent: true,
  },
  'DELETE /v1/uploads/{id}': {
    summary: 'Give an upload up',
    tag: 'Uploads',
    access: 'uploader',
    answers: { 204: null },
    errors: ['upload_not_open', 'upload_expired'],
  },
  'PUT /v1/uploads/{id}/form': {
    summary: 'Say what a form that was taken in elsewhere turned out to be',
    tag: 'Uploads',
    access: 'uploader',
    body: WholeForm,
    answers: { 204: null },
    errors: [
      ...NOT_OPEN,
      'upload_size_mismatch',
      'content_id_taken',
      'idempotency_key_reused',
      'upload_part_in_progress',
    ],
  },
  'POST /v1/tus': {
    summary: 'Begin an upload by tus 1.0',
    about: 'Creation, with or without first bytes, also of a length that is not known yet.',
    tag: 'Uploads',
    access: 'uploader',
    headers: {
      ...TUS_HEADERS,
      'Upload-Length': 'Bytes of the whole file, or Upload-Defer-Length: 1.',
      'Upload-Metadata':
        '`filename`, `title`, `kind`, `contentId`, `visibility`, `regions`, `tags`, …, each in Base64.',
    },
    body: { media: 'application/offset+octet-stream', about: 'The first bytes, if any.' },
    isBodyOptional: true,
    answers: { 201: null },
    errors: [
      ...CREATION,
      ...TUS_CHUNK,
      ...VERDICTS,
      'upload_checksum_mismatch',
      'tus_version_unsupported',
      'upload_metadata_invalid',
      'method_not_allowed',
    ],
    isIdempotent: true,
  },
  'HEAD /v1/tus/{id}': {
    summary: 'How far a tus upload is',
    tag: 'Uploads',
    access: 'uploader',
    headers: TUS_HEADERS,
    answers: { 200: null },
    // An upload that has all its bytes and could not be finished at once is finished by whoever asks.
    errors: [
      ...VERDICTS,
      'upload_empty',
      'tus_version_unsupported',
      'upload_expired',
      'upload_not_open',
      'upload_terminated',
    ],
  },
  'PATCH /v1/tus/{id}': {
    summary: 'Send bytes to a tus upload; the last ones begin its job',
    tag: 'Uploads',
    access: 'uploader',
    headers: {
      ...TUS_HEADERS,
      'Upload-Offset': 'Where the bytes belong: what the last answer said.',
      'Upload-Checksum': 'Of this body, if any: sha1, md5, sha256 or sha512.',
    },
    body: { media: 'application/offset+octet-stream', about: 'At most 95 MiB.' },
    answers: { 204: null },
    errors: [
      ...TUS_CHUNK,
      ...VERDICTS,
      'upload_checksum_mismatch',
      'upload_empty',
      'upload_too_large',
      'quota_exceeded',
      'daily_quota_exceeded',
      'tus_version_unsupported',
      'upload_expired',
      'upload_not_open',
      'method_not_allowed',
    ],
  },
  'DELETE /v1/tus/{id}': {
    summary: 'Give a tus upload up',
    tag: 'Uploads',
    access: 'uploader',
    headers: TUS_HEADERS,
    answers: { 204: null },
    errors: ['tus_version_unsupported', 'upload_expired', 'upload_not_open', 'upload_terminated'],
  },
  'POST /v1/imports': {
    summary: 'Have a file fetched from a URL or the own bucket',
    about: 'Exactly one of `url` and `bucketKey`; keys are for admins.',
    tag: 'Uploads',
    access: 'uploader',
    body: CreateImport,
    answers: { 202: CreatedImport },
    errors: [...CREATION, 'import_url_invalid', 'import_address_refused', 'import_too_large', 'not_found'],
    isIdempotent: true,
  },
  'POST /v1/preflight': {
    summary: 'What would happen to a file, before it is uploaded',
    tag: 'Uploads',
    access: 'uploader',
    query: z.object({
      sizeBytes: z.string().regex(/^\d{1,15}$/),
      /** What the video would be created with, as JSON. */
      video: z.string().optional(),
    }),
    body: { media: 'application/octet-stream', about: 'Its first 256 KiB and its last 256 KiB.' },
    isBodyOptional: true,
    answers: { 200: PreflightAnswer },
    errors: ['rate_limited'],
    isIdempotent: true,
  },
} as const satisfies OperationTable;

// What one route of the public API takes and answers, as data: the document, the typed client and the fuzzer read it.
// Schemas are the ones the routes validate with; none is written down here a second time.
import type { z } from 'zod';
import type { ErrorCode } from '../errors.ts';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
/** `{name}` stands for one segment of the path. */
export type OperationKey = `${Method} /${string}`;

export const TAGS = {
  Uploads: 'Files come in by one request, in parts, by presigned URLs, by tus or from another server.',
  Videos: 'The library, and what belongs to one video.',
  Jobs: 'What is being made of a video, and how far it is.',
  Playback: 'Sessions, the media behind their tokens, and licences.',
  Rooms: 'Watching together.',
  Audience: 'What is watched, how it plays, and what to watch next.',
  Webhooks: 'Events sent to servers of yours, after Standard Webhooks.',
  'API keys': 'Credentials for servers.',
  Migrations: 'Libraries that come over from elsewhere.',
  'Older API': 'What clients of the older system call, unchanged.',
  Operation: 'What operators and load balancers ask.',
} as const;
export type Tag = keyof typeof TAGS;

/**
 * Who may: anyone; whoever has a token in the path; with a bearer credential any role at all, or one of `viewer`,
 * `uploader` and `admin`, each of which includes those after it.
 */
export type Access = 'anyone' | 'path-token' | 'any-role' | 'viewer' | 'uploader' | 'admin';

/** A body that is no JSON. */
export type Media = { media: string; about: string };
/** `null`: no body. */
export type Answer = z.ZodType | Media | null;

export type Operation = {
  summary: string;
  about?: string;
  tag: Tag;
  access: Access;
  query?: z.ZodObject;
  /** Headers of the request that matter here, each with a sentence. */
  headers?: Readonly<Record<string, string>>;
  body?: z.ZodType | Media;
  /** Where a request without a body is as good as one with `{}`. */
  isBodyOptional?: true;
  /** By status, successes alone. */
  answers: Readonly<Record<number, Answer>>;
  /** Beside those that {@link errorsOf} adds. */
  errors: readonly ErrorCode[];
  /** Takes an Idempotency-Key. */
  isIdempotent?: true;
};

export type OperationTable = Readonly<Record<OperationKey, Operation>>;

const ANYWHERE: ErrorCode[] = ['internal', 'database_unavailable', 'storage_unavailable'];
const OF_BEARERS: ErrorCode[] = ['unauthorized', 'token_expired', 'forbidden', 'identity_unavailable'];
const OF_BODIES: ErrorCode[] = ['invalid_request', 'upload_body_too_large'];
const OF_IDEMPOTENCY: ErrorCode[] = [
  'idempotency_key_invalid',
  'idempotency_key_reused',
  'idempotency_in_flight',
  'upload_body_too_large',
];

/** Every code the operation may answer with. */
export function errorsOf(key: OperationKey, operation: Operation): ErrorCode[] {
  const needsBearer = operation.access !== 'anyone' && operation.access !== 'path-token';
  return [
    ...new Set<ErrorCode>([
      ...ANYWHERE,
      ...(needsBearer ? OF_BEARERS : []),
      ...(operation.query ? (['invalid_request'] as const) : []),
      ...(operation.body ? OF_BODIES : []),
      ...(operation.isIdempotent ? OF_IDEMPOTENCY : []),
      ...(key.includes('{') ? (['not_found'] as const) : []),
      ...operation.errors,
    ]),
  ];
}

export function isMedia(body: z.ZodType | Media): body is Media {
  return 'media' in body;
}

export function splitKey(key: OperationKey): { method: Method; path: string } {
  const space = key.indexOf(' ');
  return { method: key.slice(0, space) as Method, path: key.slice(space + 1) };
}

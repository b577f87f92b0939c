// Which pages may call the API: exact origins from the configuration. Media has rules of its own (playback).

import type { Context } from 'hono';
import { cors } from 'hono/cors';
import { DAY_SECONDS } from '../../shared/limits.ts';
import type { AppEnv } from './context.ts';

// What tus sends and says beyond HTTP. https://tus.io/protocols/resumable-upload
const TUS_REQUEST_HEADERS = [
  ...['Tus-Resumable', 'Upload-Length', 'Upload-Defer-Length', 'Upload-Metadata', 'Upload-Offset'],
  ...['Upload-Checksum', 'Upload-Concat', 'X-HTTP-Method-Override', 'X-Request-Id'],
];
const TUS_ANSWER_HEADERS = [
  ...['Tus-Resumable', 'Tus-Version', 'Tus-Extension', 'Tus-Max-Size', 'Tus-Checksum-Algorithm'],
  ...['Upload-Length', 'Upload-Defer-Length', 'Upload-Metadata', 'Upload-Offset', 'Upload-Expires'],
  ...['Reelay-Upload-Id', 'Reelay-Video-Id', 'Reelay-Job-Id', 'Reelay-Error-Code'],
];

export const apiCors = cors({
  origin: (origin: string, c: Context<AppEnv>) =>
    c.var.config.CORS_ORIGINS.includes(origin) ? origin : null,
  allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  allowHeaders: [
    'Authorization',
    'Content-Type',
    'Idempotency-Key',
    'X-Requested-With',
    ...['Content-Digest', 'Content-MD5'],
    ...TUS_REQUEST_HEADERS,
  ],
  exposeHeaders: [
    ...['ETag', 'Location', 'Content-Range', 'Retry-After', 'X-Request-Id'],
    ...TUS_ANSWER_HEADERS,
  ],
  maxAge: DAY_SECONDS,
});

// Which pages may call the API: exact origins from the configuration. Media has rules of its own (playback).

import type { Context } from 'hono';
import { cors } from 'hono/cors';
import { DAY_SECONDS } from '../../shared/limits.ts';
import type { AppEnv } from './context.ts';

export const apiCors = cors({
  origin: (origin: string, c: Context<AppEnv>) =>
    c.var.config.CORS_ORIGINS.includes(origin) ? origin : null,
  allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  allowHeaders: ['Authorization', 'Content-Type', 'Idempotency-Key'],
  exposeHeaders: ['ETag', 'Location', 'Content-Range', 'Retry-After', 'X-Request-Id'],
  maxAge: DAY_SECONDS,
});

// Pages of GET /v1/videos. A cursor names the last row seen, so pages stay right while videos come and go.
import { z } from 'zod';
import { AppError } from '../../shared/errors.ts';
import { fromBase64Url, toBase64Url } from '../../shared/sign.ts';
import type { VideoRow } from './store.ts';

const Cursor = z.tuple([z.int(), z.string()]);

export function cursorOf(row: VideoRow): string {
  return toBase64Url(new TextEncoder().encode(JSON.stringify([row.created_at, row.id])));
}

/** @throws AppError `invalid_request` for what {@link cursorOf} has not made. */
export function readCursor(cursor: string): { createdAt: number; id: string } {
  const bytes = fromBase64Url(cursor);
  const parsed = Cursor.safeParse(bytes && tryJson(new TextDecoder().decode(bytes)));
  if (!parsed.success)
    throw new AppError('invalid_request', { detail: 'cursor: take it from nextCursor as it is.' });
  const [createdAt, id] = parsed.data;
  return { createdAt, id };
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // judged by the schema
  }
}

// GET /p/{token}/{generation}/key/{n}: an AES-128 content key, 16 bytes. Nothing of it is stored or cached in the
// clear; wrapped rows are held, since they never change and every viewer of a generation asks for the same.
import type { Context } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { jobOfPrefix } from '../../shared/object-keys.ts';
import type { AppEnv } from '../http/context.ts';
import { requireKeks } from '../keys/offer.ts';
import { type KeyRow, keyRows, unwrapped } from '../keys/store.ts';
import { BoundedMap } from './bounded-map.ts';

const MAX_HELD = 500;
const held = new BoundedMap<string, KeyRow>(MAX_HELD);

/** @throws AppError `not_found` where the generation has no such key, or its keys come in a licence */
export async function contentKeyAnswer(
  c: Context<AppEnv>,
  prefix: string,
  number: number,
): Promise<Response> {
  const row = await rowOf(c.env.DB, jobOfPrefix(prefix), number);
  if (row?.scheme !== 'aes-128') throw new AppError('not_found');
  const [issued] = await unwrapped(requireKeks(c.var.config), [row]);
  if (!issued) throw new AppError('not_found');
  return new Response(c.req.method === 'HEAD' ? null : (issued.key as Uint8Array<ArrayBuffer>), {
    headers: {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(issued.key.byteLength),
      'Cache-Control': 'no-store',
    },
  });
}

async function rowOf(db: D1Database, jobId: string, number: number): Promise<KeyRow | undefined> {
  const place = `${jobId}/${number}`;
  const known = held.get(place);
  if (known) return known;
  const [row] = await keyRows(db, jobId, { numbers: [number] });
  if (!row) return undefined;
  held.set(place, row);
  return row;
}

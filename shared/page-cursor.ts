// Pages of rows from the newest on: a cursor names the last row seen, `createdAt_id`.
import { z } from 'zod';

/** Query parameters of every such list; each adds its filters. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  cursor: z
    .string()
    .regex(/^\d{1,12}_[0-9a-f-]{1,40}$/, 'is not one that was given')
    .optional(),
});

export type RowPlace = { createdAt: number; id: string };

/** Where the page begins: after this row. */
export function placeIn(cursor: string | undefined): RowPlace | undefined {
  const [createdAt, id] = cursor?.split('_') ?? [];
  return createdAt && id ? { createdAt: Number(createdAt), id } : undefined;
}

/** @param rows one more than `limit` where there is a next page */
export function pageOf<Row extends { created_at: number; id: string }>(
  rows: readonly Row[],
  limit: number,
): { page: Row[]; next: { nextCursor?: string } } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const hasMore = rows.length > limit && last;
  return { page, next: hasMore ? { nextCursor: `${last.created_at}_${last.id}` } : {} };
}

// The part of the API that a migration speaks: its ledger, imports, and the removal of what it has made.
import { z } from 'zod';
import { CreatedImport, type VideoInput } from '../../shared/api.ts';
import {
  BucketListing,
  type ItemReport,
  MAX_ITEMS_PER_REQUEST,
  Migration,
  MigrationItem,
  MigrationItemList,
  MigrationList,
  type NewMigrationItem,
  StrayVideos,
} from '../../shared/migration-api.ts';
import { type ApiClient, ApiFailure } from '../cli/api-client.ts';
import { PATIENT, type RetryPolicy, withRetries } from '../cli/retry.ts';

/** Of a certificate, what is compared; whatever else it says stays. */
const Certificate = z.object({
  jobId: z.string(),
  totalFrames: z.int(),
  checks: z.array(z.object({ name: z.string(), count: z.int() })),
});
export type Certificate = z.infer<typeof Certificate>;

export type MigrationClient = ReturnType<typeof createMigrationClient>;

export type ClientOptions = { signal?: AbortSignal | undefined; policy?: RetryPolicy };

/** Every call is repeated while the trouble may pass; each of them may be. */
export function createMigrationClient(api: ApiClient, options: ClientOptions = {}) {
  const { signal, policy = PATIENT } = options;
  const again = <T>(call: () => Promise<T>): Promise<T> => withRetries(call, { policy, signal });
  const get = <T>(schema: z.ZodType<T>, path: string) => again(() => api.call(schema, 'GET', path));

  return {
    api,
    /** @throws ApiFailure `unauthorized`, `forbidden` before anything is made */
    requireRights: () => get(MigrationList, '/v1/migrations?limit=1'),
    openMigration: (name: string) =>
      again(() => api.call(Migration, 'POST', '/v1/migrations', { name }, crypto.randomUUID())),
    migration: (id: string) => get(Migration, `/v1/migrations/${id}`),
    async register(
      id: string,
      items: readonly NewMigrationItem[],
      isAgain: boolean,
    ): Promise<MigrationItem[]> {
      const states: MigrationItem[] = [];
      for (let at = 0; at < items.length; at += MAX_ITEMS_PER_REQUEST) {
        const json = { items: items.slice(at, at + MAX_ITEMS_PER_REQUEST), again: isAgain };
        const page = await again(() =>
          api.call(MigrationItemList, 'PUT', `/v1/migrations/${id}/items`, json),
        );
        states.push(...page.items);
      }
      return states;
    },
    async items(id: string): Promise<MigrationItem[]> {
      const items: MigrationItem[] = [];
      let query = '?limit=500';
      for (;;) {
        const page = await get(MigrationItemList, `/v1/migrations/${id}/items${query}`);
        items.push(...page.items);
        if (page.nextCursor === undefined) return items;
        query = `?limit=500&cursor=${page.nextCursor}`;
      }
    },
    strays: (id: string) => get(StrayVideos, `/v1/migrations/${id}/strays`),
    report: (id: string, key: string, report: z.input<typeof ItemReport>) =>
      again(() => api.call(MigrationItem, 'PUT', `/v1/migrations/${id}/items/${key}`, report)),
    /** Undefined where that attempt has made nothing. */
    made: (id: string, key: string, attempt: number) =>
      unlessMissing(get(CreatedImport, `/v1/migrations/${id}/items/${key}/made?attempt=${attempt}`)),
    startImport: (
      input: ({ url: string } | { bucketKey: string }) & { video: VideoInput },
      idempotencyKey: string,
    ) => again(() => api.call(CreatedImport, 'POST', '/v1/imports', input, idempotencyKey)),
    video: (videoId: string) => again(() => api.video(videoId)),
    certificate: (videoId: string) => get(Certificate, `/v1/videos/${videoId}/certificate`),
    /** A video that is gone already counts as removed. */
    removeVideo: async (videoId: string): Promise<void> => {
      await unlessMissing(again(() => api.send('DELETE', `/v1/videos/${videoId}`)));
    },
    bucketPage: (prefix: string, cursor: string | undefined) => {
      const query = new URLSearchParams({ prefix, ...(cursor !== undefined && { cursor }) });
      return get(BucketListing, `/v1/migration-sources?${query}`);
    },
    bucketContent: (key: string) => ({
      url: new URL(`/v1/migration-sources/content?${new URLSearchParams({ key })}`, api.baseUrl),
      headers: { authorization: api.authorization },
    }),
  };
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 404) return undefined;
    throw error;
  }
}

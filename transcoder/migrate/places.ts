// Where sources lie and how each kind of place is listed, read and handed to an import. The bytes themselves never
// come this way.
import { isOwnKey } from '../../shared/object-keys.ts';
import type { Candidate, Origin } from './candidate.ts';
import type { MigrationClient } from './migration-client.ts';
import type { AddressOf } from './remote-file.ts';
import { listS3, type S3Access, signedGetUrl } from './s3-source.ts';
import { isVideoName, type TitleRules, titleOf } from './title.ts';

export type Listed = { candidates: Candidate[]; ignored: number };

export type Places = {
  listBucket(prefix: string, rules: TitleRules): Promise<Listed>;
  listS3(bucket: string, prefix: string, rules: TitleRules): Promise<Listed>;
  /** For reading a file's index. */
  addressOf(origin: Origin): AddressOf;
  /** What POST /v1/imports is told. @param at of the attempt, for signatures */
  importOf(origin: Origin, at: Date): Promise<{ url: string } | { bucketKey: string }>;
};

type Entry = { key: string; sizeBytes: number; etag: string };

export function createPlaces(client: MigrationClient, s3: S3Access | undefined): Places {
  const access = (): S3Access => {
    if (!s3) throw new Error('there are no credentials of the storage');
    return s3;
  };
  return {
    listBucket: (prefix, rules) =>
      collected(bucketEntries(client, prefix), rules, (key) => ({ type: 'bucket', key })),
    listS3: (bucket, prefix, rules) => {
      const { endpoint } = access();
      return collected(listS3(access(), bucket, prefix), rules, (key) => ({
        type: 's3',
        endpoint,
        bucket,
        key,
      }));
    },
    addressOf(origin) {
      if (origin.type === 'bucket') return async () => client.bucketContent(origin.key);
      if (origin.type === 'url') return async () => ({ url: new URL(origin.url) });
      return async () => ({ url: await signedGetUrl(access(), origin, new Date()) });
    },
    async importOf(origin, at) {
      if (origin.type === 'bucket') return { bucketKey: origin.key };
      if (origin.type === 'url') return { url: origin.url };
      return { url: (await signedGetUrl(access(), origin, at)).href };
    },
  };
}

async function* bucketEntries(client: MigrationClient, prefix: string): AsyncGenerator<Entry> {
  let cursor: string | undefined;
  do {
    const page = await client.bucketPage(prefix, cursor);
    yield* page.objects;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}

async function collected(
  entries: AsyncIterable<Entry>,
  rules: TitleRules,
  originOf: (key: string) => Origin,
): Promise<Listed> {
  const listed: Listed = { candidates: [], ignored: 0 };
  for await (const { key, sizeBytes, etag } of entries) {
    const origin = originOf(key);
    if (!isVideoName(key) || (origin.type === 'bucket' && isOwnKey(key))) listed.ignored += 1;
    else listed.candidates.push({ ...titleOf(key, rules), origin, place: key, sizeBytes, etag });
  }
  return listed;
}

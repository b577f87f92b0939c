// Where the MP4 of a title lies: what was registered for it, else the first key of the templates that is there.
import { AppError } from '../../shared/errors.ts';
import type { LegacyTitle } from '../../shared/legacy-api.ts';
import { sourceKeysOf } from '../../shared/legacy-sources.ts';
import type { Config, Env } from '../env.ts';
import type { Caller } from '../http/context.ts';
import { headObject } from '../r2.ts';
import { sourceOf } from './source-store.ts';

export type FoundSource = { url: string } | { bucketKey: string };

/** @throws AppError `not_found`, `content_id_taken` */
export async function findSource(
  env: Env,
  config: Config,
  caller: Caller,
  title: LegacyTitle,
): Promise<FoundSource> {
  const registered = await sourceOf(env.DB, caller.ownerId, title);
  if (registered?.bucket_key) return { bucketKey: registered.bucket_key };
  if (registered?.url) return { url: registered.url };
  const mayLook = caller.role === 'admin' || config.LEGACY_SOURCE_ROLE === 'uploader';
  const keys = mayLook ? sourceKeysOf(config.LEGACY_SOURCE_TEMPLATES, title, caller.ownerId) : [];
  for (const bucketKey of keys) {
    if (await headObject(env.MEDIA, bucketKey)) return { bucketKey };
  }
  const looked = keys.length > 0 ? `, and nothing lies at ${keys.join(' or ')}` : '';
  throw new AppError('not_found', {
    detail: `No MP4 is registered for ${title.kind} ${title.contentId}${looked}.`,
  });
}

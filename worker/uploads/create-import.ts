// Opens an import: a video, an upload that only transcoders write to, and a job whose first task fetches the file.
import type { CreatedImport, CreateImport } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { checkImportUrl } from '../../shared/import-url.ts';
import { generationPrefix, isOwnKey, sourceKey } from '../../shared/object-keys.ts';
import type { Config, Env } from '../env.ts';
import type { Caller } from '../http/context.ts';
import { createImportStatements, type ImportOrigin } from '../jobs/imports.ts';
import { choicesOf, planOptionsOf } from '../jobs/plan-options.ts';
import { refuseProtection } from '../keys/offer.ts';
import { headObject } from '../r2.ts';
import { refuseTakenContentId } from './create.ts';
import { insertUpload } from './insert.ts';

/**
 * @throws AppError `import_url_invalid`, `import_address_refused`; of a bucket key `forbidden`, `not_found`,
 * `import_too_large`.
 */
export async function createImport(
  env: Env,
  config: Config,
  caller: Caller,
  input: CreateImport,
  jobId: string = crypto.randomUUID(),
): Promise<CreatedImport> {
  const { video, sha256 } = input;
  refuseProtection(config, video);
  const { origin, filename } = await originOf(env, config, caller, input);
  await refuseTakenContentId(env.DB, caller.ownerId, input);

  // One id for both: of two requests with one Idempotency-Key the second finds its upload taken, and writes nothing.
  const uploadId = jobId;
  const videoId = crypto.randomUUID();
  const { ownerId, traceparent } = caller;
  const objectKey = sourceKey(videoId, uploadId);
  const job = {
    ...{ jobId, videoId, ownerId },
    options: planOptionsOf(config, JSON.stringify(choicesOf(video))),
    source: { key: objectKey, etag: '', sizeBytes: 0 },
    outputPrefix: generationPrefix(video.kind ?? 'video', video.contentId ?? videoId, jobId),
  };
  // The size is asked of the quotas when the server has told it.
  const parts = { sizeBytes: 0, partSizeBytes: 0, partCount: 0, r2UploadId: null };
  await insertUpload(
    env.DB,
    config,
    {
      ...{ uploadId, videoId, ownerId, traceparent, method: 'import', filename, objectKey, video, sha256 },
      ...parts,
    },
    createImportStatements(env.DB, job, uploadId, origin),
  );
  const made = await env.DB.prepare('SELECT video_id FROM jobs WHERE id = ?')
    .bind(jobId)
    .first<{ video_id: string }>();
  if (!made) throw new AppError('internal');
  return { videoId: made.video_id, jobId };
}

async function originOf(
  env: Env,
  config: Config,
  caller: Caller,
  input: CreateImport,
): Promise<{ origin: ImportOrigin; filename: string }> {
  if (input.url !== undefined) {
    const allowLoopback = config.IMPORT_ALLOW_LOOPBACK === 'on';
    const url = checkImportUrl(input.url, { ports: config.IMPORT_PORTS, allowLoopback });
    return { origin: { url: url.href }, filename: lastSegment(url.pathname) ?? url.hostname };
  }
  const bucketKey = input.bucketKey ?? '';
  await requireBucketKey(env, config, caller, bucketKey);
  return { origin: { bucketKey }, filename: lastSegment(bucketKey) ?? 'source' };
}

async function requireBucketKey(env: Env, config: Config, caller: Caller, key: string): Promise<void> {
  if (caller.role !== 'admin') {
    throw new AppError('forbidden', { detail: 'Only an admin may import from the bucket.' });
  }
  // What other owners have uploaded lies there.
  if (isOwnKey(key)) {
    throw new AppError('forbidden', { detail: 'Keys of this system itself cannot be imported.' });
  }
  const object = await headObject(env.MEDIA, key);
  if (!object) throw new AppError('not_found', { detail: 'There is no such key in the bucket.' });
  if (object.size === 0) throw new AppError('upload_empty');
  if (object.size > config.IMPORT_MAX_BYTES) throw importTooLarge(config);
}

export function importTooLarge(config: Config): AppError {
  return new AppError('import_too_large', {
    detail: `An import may have ${config.IMPORT_MAX_BYTES} bytes here.`,
  });
}

/** A name for the title and for downloads; never part of a key. */
function lastSegment(path: string): string | undefined {
  const name = path.split('/').at(-1) ?? '';
  return (
    decoded(name)
      .replace(/\p{Cc}/gu, '')
      .slice(0, 1024) || undefined
  );
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

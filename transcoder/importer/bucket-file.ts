// A file that already lies in the deployment's own bucket, read like any other: by ranges that hold for one etag.
import { AppError } from '../../shared/errors.ts';
import { MIB } from '../../shared/limits.ts';
import type { R2 } from '../r2.ts';
import type { OpenAt } from './open-file.ts';

const READ_BYTES = 8 * MIB;

export function bucketFile(r2: R2, key: string): OpenAt {
  return async ({ offset, validator }, signal) => {
    const object = await r2.head(key);
    if (!object) {
      throw new AppError('import_source_changed', { detail: 'The key is no longer in the bucket.' });
    }
    if (object.sizeBytes === 0) throw new AppError('upload_empty');
    const from = object.etag === validator && offset <= object.sizeBytes ? offset : 0;
    return {
      offset: from,
      sizeBytes: object.sizeBytes,
      validator: object.etag,
      body: read(r2, { key, ...object }, from, signal),
      close: () => undefined,
    };
  };
}

async function* read(
  r2: R2,
  object: { key: string; sizeBytes: number; etag: string },
  from: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let offset = from; offset < object.sizeBytes; offset += READ_BYTES) {
    signal.throwIfAborted();
    const length = Math.min(READ_BYTES, object.sizeBytes - offset);
    yield await r2.getRange(object.key, offset, length, object.etag).catch(asImportError);
  }
}

function asImportError(error: unknown): never {
  if (error instanceof AppError && error.code === 'source_changed') {
    throw new AppError('import_source_changed', { cause: error });
  }
  throw error;
}

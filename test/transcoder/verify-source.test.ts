import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { MIB } from '../../shared/limits.ts';
import { runTask } from '../../transcoder/pipeline.ts';
import { verifySource } from '../../transcoder/stages/verify-source.ts';
import type { TaskContext } from '../../transcoder/task-context.ts';
import { describeFailure } from '../../transcoder/task-failure.ts';
import { memoryR2 } from './memory-r2.ts';
import { claimOf } from './wire-stand-in.ts';

const BYTES = Uint8Array.from({ length: 20 * MIB + 7 }, (_, index) => (index * 31) & 0xff);
const SHA256 = createHash('sha256').update(BYTES).digest('hex');
const OTHER_SHA256 = createHash('sha256').update(BYTES.subarray(1)).digest('hex');

function contextOf(sha256: string | undefined) {
  const claim = claimOf('finish');
  Object.assign(claim.job.source, { sizeBytes: BYTES.length, sha256 });
  const r2 = memoryR2({ [claim.job.source.key]: BYTES });
  return { claim, r2, signal: new AbortController().signal };
}

describe('a declared checksum', () => {
  test('is that of all bytes, read piece by piece', async () => {
    const context = contextOf(SHA256);
    await verifySource(context);
    expect(context.r2.reads).toEqual([0, 8 * MIB, 16 * MIB]);
    await expect(verifySource(contextOf(OTHER_SHA256))).rejects.toMatchObject({
      code: 'upload_checksum_mismatch',
    });
  });

  test('that nobody has to check costs no read', async () => {
    const context = contextOf(undefined);
    await verifySource(context);
    expect(context.r2.reads).toEqual([]);
  });

  test('is not judged on bytes that could not be read', async () => {
    const context = contextOf(OTHER_SHA256);
    context.r2.failWhen = (offset) => (offset === 16 * MIB ? new AppError('storage_unavailable') : undefined);
    await expect(verifySource(context)).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  test('is not read to the end once the lease is lost', async () => {
    const context = contextOf(SHA256);
    const controller = new AbortController();
    context.r2.failWhen = () => void controller.abort(new AppError('lease_lost'));
    await expect(verifySource({ ...context, signal: controller.signal })).rejects.toMatchObject({
      code: 'lease_lost',
    });
    expect(context.r2.reads.length).toBeLessThan(3);
  });

  test('that does not hold ends the finish task before anything else, as the fault of the file', async () => {
    const finish = (sha256: string) => runTask(contextOf(sha256) as unknown as TaskContext);
    const failure = await finish(OTHER_SHA256).catch((error: unknown) => error);
    expect(describeFailure(failure, undefined)).toMatchObject({
      code: 'upload_checksum_mismatch',
      kind: 'media',
    });
    // The next step is to load the plan, which is not there.
    await expect(finish(SHA256)).rejects.toMatchObject({ code: 'not_found' });
  });
});

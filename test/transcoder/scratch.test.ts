import { symlink } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { createBlockCache } from '../../transcoder/block-cache.ts';
import { createScratch, requireDisk } from '../../transcoder/scratch.ts';
import { describeFailure } from '../../transcoder/task-failure.ts';

test('a task that may write more than is free is not begun, and says why', async () => {
  await using scratch = await createScratch('disk');
  await expect(requireDisk(scratch, 1)).resolves.toBeUndefined();
  const failure = await requireDisk(scratch, 2 ** 60).catch((error: unknown) => error);
  expect(describeFailure(failure, undefined)).toEqual({
    code: 'encode_resources',
    kind: 'retryable',
    detail: expect.stringMatching(
      /^The transcoder has [\d.]+ GiB of free disk; this task may need 1073741824.0\.$/,
    ),
  });
});

test('a cache on a full disk says so', async () => {
  await using scratch = await createScratch('disk');
  await symlink('/dev/full', scratch.path('cache'));
  await using cache = await createBlockCache({
    ...{ path: scratch.path('cache'), sizeBytes: 10, budgetBytes: 10, blockBytes: 10 },
    fetchBlock: async (_offset, length) => new Uint8Array(length),
  });
  await expect(cache.read(0, 1)).rejects.toMatchObject({ code: 'ENOSPC' });
});

// A directory of its own for each task, gone with it.
import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GIB } from '../shared/limits.ts';

export type Scratch = AsyncDisposable & { directory: string; path(name: string): string };

/** @param label a word for people who look at the disk: `chunk-3`. */
export async function createScratch(label: string, rootDirectory = tmpdir()): Promise<Scratch> {
  const safeLabel = label.replaceAll(/[^A-Za-z0-9_-]/g, '-');
  const directory = await mkdtemp(join(rootDirectory, `${safeLabel}-`));
  return {
    directory,
    path: (name) => join(directory, name),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** Empties the directory that this worker's tasks live in: a former self may have left it without tidying. */
export async function emptyScratchRoot(rootDirectory: string): Promise<void> {
  await rm(rootDirectory, { recursive: true, force: true });
  await mkdir(rootDirectory, { recursive: true, mode: 0o700 });
}

export class DiskTooSmall extends Error {}

/** @throws DiskTooSmall where less is free than a task may come to write. */
export async function requireDisk({ directory }: { directory: string }, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return;
  const gigabytes = (bytes: number) => (bytes / GIB).toFixed(1);
  throw new DiskTooSmall(
    `The transcoder has ${gigabytes(freeBytes)} GiB of free disk; this task may need ${gigabytes(neededBytes)}.`,
  );
}

// A directory of its own for each task, gone with it.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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

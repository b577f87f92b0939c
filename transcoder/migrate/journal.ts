// What a migrator must know after any kill: JSON lines, only ever appended, each on disk before what it announces
// happens. A last line that a kill has torn is dropped.
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { parseJson } from '../cli/json.ts';
import { Outcome } from './outcome.ts';

const Probed = z.object({
  durationSeconds: z.number(),
  picturesEndSeconds: z.number(),
  width: z.int(),
  height: z.int(),
  framesPerSecond: z.number(),
  audioTracks: z.int(),
});

export const JournalLine = z.discriminatedUnion('type', [
  z.object({ type: z.literal('migration'), migrationId: z.string(), apiUrl: z.string(), name: z.string() }),
  /** A source was looked at; `identity` tells it from others. */
  z.object({
    type: z.literal('looked'),
    identity: z.string(),
    /** The etag a listing gave, which may be written otherwise than that of an answer. */
    listed: z.string().optional(),
    etag: z.string().optional(),
    sizeBytes: z.int(),
    probed: Probed.optional(),
  }),
  /** An import is about to be asked for; `at` signs its URL, so that the request can be repeated to the byte. */
  z.object({ type: z.literal('starting'), key: z.string(), attempt: z.int(), at: z.string() }),
  z.object({
    type: z.literal('started'),
    key: z.string(),
    attempt: z.int(),
    videoId: z.string(),
    jobId: z.string(),
  }),
  /** Another attempt follows; the video of this one goes. */
  z.object({
    type: z.literal('gave_up'),
    key: z.string(),
    attempt: z.int(),
    code: z.string(),
    detail: z.string(),
  }),
  z.object({ type: z.literal('ended'), key: z.string(), outcome: Outcome }),
  /** Everything had ended: the next run looks at all sources anew. */
  z.object({ type: z.literal('finished'), at: z.string() }),
]);
export type JournalLine = z.infer<typeof JournalLine>;

export type Journal = AsyncDisposable & {
  path: string;
  /** Of this run and those before it. */
  lines: readonly JournalLine[];
  /** Resolves when the line is on disk. */
  append(line: JournalLine): Promise<void>;
};

/** A journal that cannot be used, as a sentence. */
export class JournalUnusable extends Error {}

/** @throws JournalUnusable where another migrator has it, or where it is damaged */
export async function openJournal(path: string): Promise<Journal> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const unlock = await lock(`${path}.lock`);
  try {
    const { lines, wholeBytes } = linesIn(await readFile(path).catch(() => Buffer.alloc(0)), path);
    const file = await open(path, 'a', 0o600);
    await file.truncate(wholeBytes);
    let written = Promise.resolve();
    return {
      path,
      lines,
      append(line) {
        lines.push(line);
        const mine = written.then(async () => {
          await file.writeFile(`${JSON.stringify(line)}\n`);
          await file.sync();
        });
        // The caller hears of a failure; the next one in line gets its own chance.
        written = mine.catch(() => {});
        return mine;
      },
      async [Symbol.asyncDispose]() {
        await written;
        await file.close();
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

function linesIn(bytes: Buffer, path: string): { lines: JournalLine[]; wholeBytes: number } {
  const wholeBytes = bytes.lastIndexOf(0x0a) + 1;
  const texts = bytes.subarray(0, wholeBytes).toString('utf8').split('\n').slice(0, -1);
  const lines = texts.map((text, index) => {
    const line = JournalLine.safeParse(parseJson(text));
    if (line.success) return line.data;
    throw new JournalUnusable(
      `the journal ${path} is damaged in line ${index + 1}; move it away, and what the deployment knows is enough to go on`,
    );
  });
  return { lines, wholeBytes };
}

/** One migrator at a time; a lock whose process is gone is taken over. */
async function lock(path: string): Promise<() => Promise<void>> {
  for (let tries = 0; tries < 3; tries += 1) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx', mode: 0o600 });
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = Number(await readFile(path, 'utf8').catch(() => ''));
    if (holder > 0 && holder !== process.pid && isAlive(holder)) {
      throw new JournalUnusable(
        `another migrator (process ${holder}) is at work with ${path.replace(/\.lock$/, '')}`,
      );
    }
    await rm(path, { force: true });
  }
  throw new JournalUnusable(`${path} cannot be taken`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

// What a later run must know to go on with an upload: one small file per upload in the state folder, replaced
// whole, so that a kill at any moment leaves either the old or the new one.
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { DAY_SECONDS } from '../../shared/limits.ts';
import { parseJson } from './json.ts';

/** Tells a file from a changed one. */
const FileIdentity = z.object({ sizeBytes: z.int(), mtimeNs: z.string(), inode: z.string() });
export type FileIdentity = z.infer<typeof FileIdentity>;

const JournalEntry = z.object({
  path: z.string(),
  file: FileIdentity,
  /** Sent with the creation; kept before it, so that an answer nobody heard is asked for again. */
  idempotencyKey: z.string(),
  uploadId: z.string().optional(),
  /** Presigned parts that storage has acknowledged and the API has not been told of. */
  unreportedEtags: z.record(z.string(), z.string()),
});
export type JournalEntry = z.infer<typeof JournalEntry>;

export type UploadJournal = {
  read(): Promise<JournalEntry | undefined>;
  write(entry: JournalEntry): Promise<void>;
  remove(): Promise<void>;
};

/** Nobody comes back to an upload that expired days ago. */
const FORGOTTEN_MS = 7 * DAY_SECONDS * 1000;

/** `REELAY_STATE`, else the place the XDG base directory specification gives. */
export function stateFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.REELAY_STATE || join(env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'reelay');
}

/** The journal of one file going to one deployment with one set of options. */
export function journalOf(folder: string, apiUrl: string, path: string, options: object): UploadJournal {
  const absolutePath = resolve(path);
  const name = createHash('sha256')
    .update(JSON.stringify([new URL(apiUrl).href, absolutePath, options]))
    .digest('hex')
    .slice(0, 32);
  const file = join(folder, 'uploads', `${name}.json`);
  let written = Promise.resolve();
  const inTurn = (work: () => Promise<void>) => {
    const mine = written.then(work);
    // The caller hears of a failure; the next one in line gets its own chance.
    written = mine.catch(() => {});
    return mine;
  };
  return {
    read: async () => JournalEntry.safeParse(parseJson(await readFile(file, 'utf8').catch(() => ''))).data,
    write: (entry) => inTurn(() => replaceFile(file, JSON.stringify(entry))),
    remove: () => inTurn(() => rm(file, { force: true })),
  };
}

/** For uploads that nobody will resume. */
export const NO_JOURNAL: UploadJournal = {
  read: async () => undefined,
  write: async () => {},
  remove: async () => {},
};

export async function removeForgottenJournals(folder: string): Promise<void> {
  const directory = join(folder, 'uploads');
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > FORGOTTEN_MS) await rm(path, { force: true });
  }
}

export async function identifyFile(path: string): Promise<FileIdentity> {
  const { size, mtimeNs, ino } = await stat(path, { bigint: true });
  return { sizeBytes: Number(size), mtimeNs: String(mtimeNs), inode: String(ino) };
}

export function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  return one.sizeBytes === other.sizeBytes && one.mtimeNs === other.mtimeNs && one.inode === other.inode;
}

async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(text);
      // Without it a power cut may keep the name and lose the content.
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

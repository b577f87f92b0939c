// One stack per state directory. The lock names its owner and what the owner started, so that the next start
// after a crash can tell that nobody is there and end what was left behind.
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { parseJson } from '../transcoder/cli/json.ts';
import { signalGroup } from './child.ts';
import type { Home } from './home.ts';
import { identify, isStillRunning, type ProcessIdentity } from './process-identity.ts';
import { PlainFailure } from './setup/screen.mjs';

/** The dead count as group members until someone reaps them, which in a container may be nobody. */
const ORPHAN_WAIT_MS = 2000;

const Identity = z.object({ pid: z.int(), startedAt: z.string() });
const LockFile = z.object({ owner: Identity, children: z.array(Identity) });

export type Lock = {
  /** Remembers a child that a later start must end if we cannot. */
  addChild(pid: number): Promise<void>;
  release(): Promise<void>;
};

/** @throws PlainFailure when a living stack holds the directory */
export async function takeLock(home: Home): Promise<Lock> {
  await mkdir(home.directory, { recursive: true });
  const owner = await identify(process.pid);
  if (!owner) throw new Error('this process has no identity');
  const content: z.infer<typeof LockFile> = { owner, children: [] };
  // Written aside and then put in place, so that nobody ever reads half a lock.
  const place = async (put: (from: string, to: string) => Promise<void>) => {
    const draft = `${home.lockFile}.${randomUUID()}`;
    try {
      await writeFile(draft, JSON.stringify(content));
      await put(draft, home.lockFile);
    } finally {
      await rm(draft, { force: true });
    }
  };

  for (;;) {
    try {
      // Unlike a rename, a link refuses to replace what is there.
      await place(link);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await removeStaleLock(home);
    }
  }
  let placed = Promise.resolve();
  return {
    addChild: async (pid) => {
      const child = await identify(pid);
      if (child) content.children.push(child);
      // One after the other, so that the last one placed knows all children.
      placed = placed.then(() => place(rename));
      await placed;
    },
    release: () => rm(home.lockFile, { force: true }),
  };
}

async function removeStaleLock(home: Home): Promise<void> {
  const text = await readFile(home.lockFile, 'utf8').catch(() => '');
  // A lock cut short by a full disk or a crash names nobody.
  const lock = LockFile.safeParse(parseJson(text)).data;
  if (lock && (await isStillRunning(lock.owner))) {
    throw new PlainFailure(
      `a stack is already running here (pid ${lock.owner.pid}); stop it first, or set REELAY_HOME`,
    );
  }
  for (const child of lock?.children ?? []) await endOrphan(child);
  await rm(home.lockFile, { force: true });
}

/** Children lead their own process groups, so the group is what a crash leaves. Waits until its ports are free. */
async function endOrphan(child: ProcessIdentity): Promise<void> {
  if (!(await isStillRunning(child))) return;
  signalGroup(child.pid, 'SIGKILL');
  for (let waitedMs = 0; waitedMs < ORPHAN_WAIT_MS && signalGroup(child.pid, 0); waitedMs += 50)
    await sleep(50);
}

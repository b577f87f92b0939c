// One stack per state directory. The lock names its owner and what the owner started, so that the next start
// after a crash can tell that nobody is there and end what was left behind.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Home } from './home.ts';
import { identify, isStillRunning, type ProcessIdentity } from './process-identity.ts';
import { PlainFailure } from './setup/screen.mjs';

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
  const write = (flag: 'wx' | 'w') => writeFile(home.lockFile, JSON.stringify(content), { flag });

  for (;;) {
    try {
      await write('wx');
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await removeStaleLock(home);
    }
  }
  return {
    addChild: async (pid) => {
      const child = await identify(pid);
      if (child) content.children.push(child);
      await write('w');
    },
    release: () => rm(home.lockFile, { force: true }),
  };
}

async function removeStaleLock(home: Home): Promise<void> {
  const text = await readFile(home.lockFile, 'utf8').catch(() => '');
  // A lock cut short by a full disk or a crash names nobody.
  const lock = LockFile.safeParse(text.startsWith('{') ? JSON.parse(text) : undefined).data;
  if (lock && (await isStillRunning(lock.owner))) {
    throw new PlainFailure(
      `a stack is already running here (pid ${lock.owner.pid}); stop it first, or set REELAY_HOME`,
    );
  }
  for (const child of lock?.children ?? []) await endOrphan(child);
  await rm(home.lockFile, { force: true });
}

/** Children lead their own process groups, so the group is what a crash leaves. */
async function endOrphan(child: ProcessIdentity): Promise<void> {
  if (await isStillRunning(child)) process.kill(-child.pid, 'SIGKILL');
}

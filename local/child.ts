// A long-lived child process in a group of its own: its output goes to a log file, its end is never silent,
// and stopping it leaves nothing of the group behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLines } from './setup/run.mjs';

export type ChildCommand = {
  name: string;
  command: string;
  args: string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  logFile: string;
  /** Who hears SIGTERM: the process that then ends its own children in order, or all of the group at once. */
  termination: 'leader' | 'group';
};

export type Child = {
  name: string;
  pid: number;
  logFile: string;
  /** Resolves when the process has ended, for whatever reason. */
  ended: Promise<void>;
  hasEnded(): boolean;
  /** Ended by itself with exit code 0. */
  hasSucceeded(): boolean;
  /** Signals the whole group. */
  kill(signal: NodeJS.Signals): boolean;
  stop(graceSeconds: number): Promise<void>;
};

export function startChild(command: ChildCommand): Child {
  const log = openSync(command.logFile, 'a');
  const child = spawn(command.command, command.args, {
    cwd: command.cwd,
    env: command.env,
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command.name} could not be started: ${command.command}`);
  // Where nobody gets to call stop: a test runner that gives up, a defect in the launcher.
  const endWithUs = () => void signalGroup(pid, 'SIGKILL');
  process.once('exit', endWithUs);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      process.off('exit', endWithUs);
      resolve();
    });
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const kill = (signal: NodeJS.Signals) => signalGroup(pid, signal);
  return {
    name: command.name,
    pid,
    logFile: command.logFile,
    ended,
    hasEnded,
    hasSucceeded: () => child.exitCode === 0,
    kill,
    stop: async (graceSeconds) => {
      if (!hasEnded()) {
        terminate(child, pid, command.termination);
        await Promise.race([ended, sleep(graceSeconds * 1000, undefined, { ref: false })]);
      }
      // Whatever of the group outlived its leader, or the leader itself.
      kill('SIGKILL');
      await ended;
    },
  };
}

function terminate(child: ChildProcess, pid: number, termination: ChildCommand['termination']): void {
  if (termination === 'leader') child.kill('SIGTERM');
  else signalGroup(pid, 'SIGTERM');
}

/** Signal 0 only asks. @returns whether anybody of the group was there */
export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch (error) {
    // ESRCH: nobody is left. macOS says EPERM where only the dead are.
    if (['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** The end of a child's log, for a person who asks why it died. */
export async function logTail(child: Child): Promise<string> {
  const text = await readFile(child.logFile, 'utf8').catch(() => '');
  return lastLines(text.trimEnd(), 20);
}

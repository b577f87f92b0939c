// What Linux says of the processes below this one.
import { readdir, readFile } from 'node:fs/promises';

export type ProcessInfo = { pid: number; name: string; parentPid: number; commandLine: string };

export async function listDescendants(rootPid: number): Promise<ProcessInfo[]> {
  const all = (
    await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(infoOf))
  ).filter((info) => info !== undefined);
  const found: ProcessInfo[] = [];
  const parents = new Set([rootPid]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const info of all) {
      if (parents.has(info.parentPid) && !parents.has(info.pid)) {
        parents.add(info.pid);
        found.push(info);
        grew = true;
      }
    }
  }
  return found;
}

/** Highest resident size since the process began, bytes. */
export async function peakResidentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

/** Resident size now, bytes; 0 of a process that has ended. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

async function infoOf(entry: string): Promise<ProcessInfo | undefined> {
  try {
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8');
    const commandLine = (await readFile(`/proc/${entry}/cmdline`, 'utf8')).replaceAll('\0', ' ');
    const end = stat.lastIndexOf(')');
    const parentPid = Number(stat.slice(end + 2).split(' ')[1]);
    return { pid: Number(entry), name: stat.slice(stat.indexOf('(') + 1, end), parentPid, commandLine };
  } catch {
    return undefined; // the process ended while we looked
  }
}

// Media tools under strace: what they connect to, and what they open.
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const STRACE = '/usr/bin/strace';
const CALLS = 'connect,sendto,bind,open,openat,openat2,creat,chdir';

/** A container may have strace and still not let it watch. */
export function canTrace(): boolean {
  return spawnSync(STRACE, ['-qq', '-e', 'trace=none', 'true']).status === 0;
}

export type Traced = {
  /** For `setFfmpeg`. */
  ffmpegPath: string;
  /** What all runs so far did; `directory` is what relative names are relative to. */
  seen(directory: string): Promise<Seen>;
};

export type Seen = {
  runs: number;
  /** `127.0.0.1:8080`, or whatever else the address says. */
  connections: string[];
  /** Absolute paths of everything asked for, found or not. */
  opened: string[];
};

/** Puts an `ffmpeg` and an `ffprobe` into `folder` that leave a trace of each run there. */
export async function traceTools(folder: string): Promise<Traced> {
  const logs = join(folder, 'traces');
  await mkdir(logs, { recursive: true });
  for (const tool of ['ffmpeg', 'ffprobe']) {
    const trace = `exec ${STRACE} -f -qq -s 4096 -e trace=${CALLS} -e signal=none -o ${logs}/${tool}.$$`;
    await writeFile(join(folder, tool), `#!/bin/sh\n${trace} ${tool} "$@"\n`, { mode: 0o755 });
  }
  return {
    ffmpegPath: join(folder, 'ffmpeg'),
    async seen(directory) {
      const names = await readdir(logs);
      const texts = await Promise.all(names.map((name) => readFile(join(logs, name), 'utf8')));
      const lines = texts.flatMap((text) => text.split('\n'));
      return {
        runs: names.length,
        connections: lines.flatMap(addressIn),
        opened: lines.flatMap((line) => pathIn(line).map((path) => resolve(directory, path))),
      };
    },
  };
}

function addressIn(line: string): string[] {
  const call = /\b(connect|bind|sendto)\(\d+, (.*)/.exec(line)?.[2];
  if (call === undefined) return [];
  const port = /sin6?_port=htons\((\d+)\)/.exec(call)?.[1];
  const host = /inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"/.exec(call);
  if (port && host) return [`${host[1] ?? host[2]}:${port}`];
  // What is sent on a connection that was made before names no address.
  return /sa_family/.test(call) ? [call] : [];
}

function pathIn(line: string): string[] {
  const path = /\b(?:open|creat|chdir|openat2?)\((?:AT_FDCWD, |\d+, )?"((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
  return path === undefined ? [] : [path];
}

/** Libraries, their configuration, and what Linux says of itself: what any program opens. */
const SYSTEM = [
  /^\/(usr|lib|lib64|proc|sys|dev)\//,
  /^\/etc\/(ld\.so|localtime|ssl|gcrypt|gnutls|OpenCL|alternatives|fonts)/,
];

export function isOfTheSystem(path: string): boolean {
  return SYSTEM.some((pattern) => pattern.test(path));
}

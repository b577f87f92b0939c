// One container of the built image, run by buildah in a chroot: no daemon, the machine's own network.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { listDescendants, type ProcessInfo } from './processes.ts';

const run = promisify(execFile);
/** Kept from run to run: a base image takes minutes. */
export const IMAGE_STATE = process.env.REELAY_IMAGE_STATE ?? join(homedir(), '.cache/reelay-image');
const IMAGE = 'localhost/reelay-transcoder';
const STORAGE = [
  ...['--storage-driver', 'vfs', '--root', join(IMAGE_STATE, 'storage')],
  ...['--runroot', join(IMAGE_STATE, 'run')],
];

export type ImageConfig = { User: string; Entrypoint: string[]; Healthcheck: { Test: string[] } };

export type ImageContainer = {
  config: ImageConfig;
  /** The image's entry point, under the image's user; its output goes to the log. */
  start(logFile: string): Promise<ChildProcess>;
  /** Runs one command to its end. @throws when its exit code is not 0 */
  exec(command: string[]): Promise<string>;
  remove(): Promise<void>;
};

export async function containerOfImage(variables: Record<string, string>): Promise<ImageContainer> {
  const inspected = await buildah(['inspect', '--type', 'image', IMAGE]);
  const config: ImageConfig = JSON.parse(inspected).Docker.config;
  const container = (await buildah(['from', '--pull=never', IMAGE])).trim();
  const flags = Object.entries(variables).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  const inside = (command: string[]) => [
    ...['run', '--isolation', 'chroot'],
    ...[...flags, container, '--', ...command],
  ];
  return {
    config,
    async start(logFile) {
      await using log = await open(logFile, 'a');
      return spawn('buildah', [...STORAGE, ...inside(config.Entrypoint)], {
        stdio: ['ignore', log.fd, log.fd],
      });
    },
    exec: (command) => buildah(inside(command)),
    async remove() {
      await buildah(['rm', container]);
    },
  };
}

/** The transcoder itself, below buildah's own processes. */
export async function transcoderIn(container: ChildProcess): Promise<ProcessInfo | undefined> {
  const all = container.pid === undefined ? [] : await listDescendants(container.pid);
  return all.find(({ commandLine }) => /^\S*\bnode transcoder\/main\.ts/.test(commandLine));
}

async function buildah(args: string[]): Promise<string> {
  return (await run('buildah', [...STORAGE, ...args], { maxBuffer: 2 ** 26 })).stdout;
}

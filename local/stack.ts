// The local stack: queue first (messages sent while it is down are lost), then the Worker, then transcoders.
// `npm start` and the end-to-end tests run this same code.
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalSecrets } from '../transcoder/cli/local-stack.ts';
import { type Child, type ChildCommand, logTail, startChild } from './child.ts';
import { startCron } from './cron.ts';
import { queueServer, untilHealthy, workerServer } from './dev-servers.ts';
import { ensureSecrets, type Home, prepareHome } from './home.ts';
import { takeLock } from './lock.ts';
import { requireFreePorts } from './ports.ts';
import { ROOT } from './setup/run.mjs';
import { PlainFailure } from './setup/screen.mjs';
import { transcoderCommand } from './transcoder-process.ts';
import { type DevServer, devServerCommand, migrationsCommand } from './wrangler.ts';

/** A transcoder gives its tasks back on SIGTERM; the dev servers write their databases out. */
const STOP_GRACE_SECONDS = 12;

export type StackOptions = {
  home: Home;
  port: number;
  transcoders: number;
  isReset: boolean;
  cronSeconds: number;
  /** Variables of the Worker over those of wrangler.toml, such as LEASE_SECONDS. */
  variables?: Record<string, string>;
  /** Variables of every transcoder, such as IMPORT_ALLOW_LOOPBACK. */
  transcoderVariables?: Record<string, string>;
  /** Told as each part is up. */
  onReady?: (part: string, detail: string, startedAtMs: number) => void;
  /** Gives the start up. */
  signal?: AbortSignal;
};

export type Stack = {
  url: string;
  secrets: LocalSecrets;
  transcoders: Child[];
  startTranscoder(): Promise<Child>;
  /** Ends the Worker with SIGKILL: the dev server and its workerd at once, with nothing said or saved. */
  killWorker(): Promise<void>;
  /** Starts the Worker again on the same state; resolves when it answers. */
  startWorker(): Promise<void>;
  /** Rejects as soon as a part of the stack ends unasked, with the end of its log. */
  broken: Promise<never>;
  stop(): Promise<void>;
};

/** @throws PlainFailure when the ports or the directory are taken, or a part does not come up; nothing is left running */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { home, port } = options;
  const lock = await takeLock(home);
  const running = new Set<Child>();
  let isStopping = false;
  let stopCron = async () => {};

  const launch = async (command: ChildCommand) => {
    const child = startChild(command);
    running.add(child);
    await lock.addChild(child.pid);
    return child;
  };
  const stop = async () => {
    isStopping = true;
    await stopCron();
    // Transcoders first: they hand their tasks back to a Worker that still answers.
    const isTranscoder = (child: Child) => child.name.startsWith('transcoder');
    const all = [...running];
    await Promise.all(all.filter(isTranscoder).map((child) => child.stop(STOP_GRACE_SECONDS)));
    await Promise.all(
      all.filter((child) => !isTranscoder(child)).map((child) => child.stop(STOP_GRACE_SECONDS)),
    );
    await lock.release();
  };

  try {
    await requireFreePorts([port, port + 1]);
    await prepareHome(home, options.isReset);
    const secrets = await ensureSecrets(home);
    const url = `http://127.0.0.1:${port}`;
    const queueUrl = `http://127.0.0.1:${port + 1}`;
    const ready = options.onReady ?? (() => {});

    const startServer = async (server: DevServer) => {
      const startedAtMs = Date.now();
      const child = await launch(await devServerCommand(home, server));
      await untilHealthy(child, `http://127.0.0.1:${server.port}/healthz`, options.signal);
      return { child, startedAtMs };
    };
    const [queue] = await Promise.all([
      startServer(queueServer(home, port + 1, secrets)),
      applyMigrations(home, launch, ready),
    ]);
    const workerOptions = workerServer(home, port, secrets, options.variables ?? {});
    let worker = await startServer(workerOptions);
    ready('worker', url, worker.startedAtMs);
    await writeFile(home.urlFile, `${url}\n`);
    const killed = new Set<Child>();
    const killWorker = async () => {
      const { child } = worker;
      killed.add(child);
      child.kill('SIGKILL');
      await child.ended;
      running.delete(child);
    };
    const startWorker = async () => {
      worker = await startServer(workerOptions);
    };

    const transcoders: Child[] = [];
    const startTranscoder = async () => {
      const index = transcoders.length;
      const variables = options.transcoderVariables ?? {};
      const place = { home, index, url, queueUrl, secrets, variables };
      const child = await launch(transcoderCommand(place));
      transcoders.push(child);
      return child;
    };
    for (let count = 0; count < options.transcoders; count += 1) await startTranscoder();
    stopCron = startCron(url, options.cronSeconds, join(home.logs, 'cron.log'));

    const watched = [queue.child, worker.child, ...transcoders];
    const isExpected = (child: Child) => isStopping || killed.has(child);
    const broken = Promise.race(watched.map((child) => failWhenEnded(child, isExpected)));
    // Nobody has to listen; the tests end transcoders on purpose.
    broken.catch(() => {});
    return { url, secrets, transcoders, startTranscoder, killWorker, startWorker, broken, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** wrangler needs seconds even to find nothing to do, so the applied set is remembered beside the database. */
export async function applyMigrations(
  home: Home,
  launch: (command: ChildCommand) => Promise<Child>,
  ready?: StackOptions['onReady'],
): Promise<void> {
  const startedAtMs = Date.now();
  const folder = join(ROOT, 'worker/migrations');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
  const hash = createHash('sha256');
  for (const name of files) hash.update(name).update(await readFile(join(folder, name)));
  const digest = hash.digest('hex');
  const stamp = join(home.workerState, 'migrations.sha256');
  if ((await readFile(stamp, 'utf8').catch(() => '')) === digest) return;
  const child = await launch(migrationsCommand(home));
  await child.ended;
  if (!child.hasSucceeded())
    throw new PlainFailure(`the database migrations failed\n${await logTail(child)}`);
  await writeFile(stamp, digest);
  ready?.('database', `${files.length} migrations applied`, startedAtMs);
}

async function failWhenEnded(child: Child, isExpected: (child: Child) => boolean): Promise<never> {
  await child.ended;
  if (isExpected(child)) return new Promise<never>(() => {});
  throw new PlainFailure(
    `the ${child.name} ended unexpectedly; see ${child.logFile}\n${await logTail(child)}`,
  );
}

// nginx as Debian has it, beside our own figures for honesty; absent, that is said and nothing else changes.
import { type ChildProcess, spawn } from 'node:child_process';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePortPair } from '../local/ports.ts';

const NGINX = '/usr/sbin/nginx';
const START_TRIES = 100;

export type Nginx = { origin: string; stop(): Promise<void> };

/** @param folder the files it serves; its own go into `.nginx` there. @returns undefined where there is no nginx */
export async function startNginx(folder: string): Promise<Nginx | undefined> {
  const isThere = await access(NGINX).then(
    () => true,
    () => false,
  );
  if (!isThere) return undefined;
  const own = join(folder, '.nginx');
  await mkdir(join(own, 'logs'), { recursive: true });
  const port = await findFreePortPair();
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${join(own, kind)};`,
  );
  await writeFile(
    join(own, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${join(own, 'pid')}; error_log stderr crit;
events { worker_connections 64; }
http { access_log off; sendfile on; etag on; if_modified_since before; keepalive_requests 1000000; default_type application/octet-stream; ${paths.join(' ')}
  server { listen 127.0.0.1:${port}; root ${folder}; } }`,
  );
  // As the user it is started by: root would have it drop to one who cannot read a private folder.
  const user = process.getuid?.() === 0 ? ['-g', 'user root;'] : [];
  const child = spawn(NGINX, ['-p', own, '-c', join(own, 'nginx.conf'), ...user], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const origin = `http://127.0.0.1:${port}`;
  await answering(origin, child);
  return {
    origin,
    stop: async () => {
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('exit', resolve));
    },
  };
}

async function answering(origin: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < START_TRIES; attempt++) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
    const isUp = await fetch(origin).then(
      () => true,
      () => false,
    );
    if (isUp) return;
    await sleep(50);
  }
  throw new Error('nginx does not answer');
}

// Builds the studio when its sources, or what it shares with the rest, are not those of the last build.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { capture, lastLines, ROOT, runtimeEnv } from './run.mjs';
import { PlainFailure, row } from './screen.mjs';

const SOURCES = ['worker/studio', 'shared'];
const STAMP = join(ROOT, 'node_modules/.cache/reelay/studio.sha256');

/** @param {{ node: string, flags: string[] }} runtime */
export async function ensureStudio(runtime) {
  const digest = await digestOf([...SOURCES, 'package-lock.json']);
  const built = await readFile(STAMP, 'utf8').catch(() => '');
  if (built === digest && existsSync(join(ROOT, 'worker/studio/dist/index.html'))) return;
  const startedAtMs = Date.now();
  const { code, output } = await capture(
    runtime.node,
    [...runtime.flags, 'node_modules/vite/bin/vite.js', 'build', '--config', 'worker/studio/vite.config.ts'],
    { env: runtimeEnv() },
  );
  if (code !== 0) throw new PlainFailure(`the studio does not build\n${lastLines(output)}`);
  await mkdir(dirname(STAMP), { recursive: true });
  await writeFile(STAMP, digest);
  row('studio', 'built', startedAtMs);
}

/** @param {string[]} paths */
async function digestOf(paths) {
  const hash = createHash('sha256');
  for (const path of (await Promise.all(paths.map(filesUnder))).flat().sort()) {
    hash.update(path).update(await readFile(join(ROOT, path)));
  }
  return hash.digest('hex');
}

/** @param {string} path @returns {Promise<string[]>} */
async function filesUnder(path) {
  if (path.includes('.')) return [path];
  const entries = await readdir(join(ROOT, path), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1))
    .filter((file) => !file.startsWith('worker/studio/dist/'));
}

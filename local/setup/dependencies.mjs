// Installs node_modules when it is missing or is not what package-lock.json says. Needs nothing installed.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { capture, firstLines, ROOT } from './run.mjs';
import { PlainFailure, row } from './screen.mjs';

export async function ensureDependencies() {
  if (await isInstalled(ROOT)) return;
  const startedAtMs = Date.now();
  row('dependencies', 'installing with npm ci …');
  // The npm that runs this script, where there is one: PATH may hold another.
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const { code, output } = npm?.endsWith('.js')
    ? await capture(process.execPath, [npm, ...args])
    : await capture('npm', args);
  // npm says what is wrong first and how it is used last.
  if (code !== 0) throw new PlainFailure(`npm ci failed\n${firstLines(output)}`);
  row('dependencies', 'installed', startedAtMs);
}

/**
 * npm keeps a copy of the lock beside what it installed. Every package there must be the one the lock names,
 * and nothing that is not optional may be absent.
 * @param {string} root
 */
export async function isInstalled(root) {
  const wanted = await readPackages(join(root, 'package-lock.json'));
  const installed = await readPackages(join(root, 'node_modules/.package-lock.json'));
  if (!wanted) throw new PlainFailure('package-lock.json is missing');
  if (!installed) return false;
  if (hasOwnNode() && !existsSync(join(root, 'node_modules/.bin/node'))) return false;
  const isSame = Object.entries(installed).every(([path, item]) => item.version === wanted[path]?.version);
  const isWhole = Object.entries(wanted).every(
    ([path, item]) => path === '' || item.optional || item.devOptional || installed[path],
  );
  return isSame && isWhole;
}

/** Node 24 comes as an npm package for these platforms alone. */
function hasOwnNode() {
  return process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
}

/**
 * @param {string} path
 * @returns {Promise<Record<string, { version?: string, optional?: boolean, devOptional?: boolean }> | undefined>}
 */
async function readPackages(path) {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : JSON.parse(text).packages;
}

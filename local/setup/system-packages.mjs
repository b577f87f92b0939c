// ffmpeg and Chromium from the system's package manager, where one may be used without asking.
import { existsSync } from 'node:fs';
import { capture, isOnPath, lastLines } from './run.mjs';
import { PlainFailure, row } from './screen.mjs';

export async function ensureFfmpeg() {
  if (isOnPath('ffmpeg') && isOnPath('ffprobe')) return;
  const startedAtMs = Date.now();
  if (canUseApt()) {
    row('ffmpeg', 'installing with apt-get …');
    await aptInstall('ffmpeg');
  } else if (isOnPath('brew')) {
    row('ffmpeg', 'installing with brew …');
    const { code, output } = await capture('brew', ['install', '--quiet', 'ffmpeg']);
    if (code !== 0) throw new PlainFailure(`brew install ffmpeg failed\n${lastLines(output)}`);
  } else {
    const how = isOnPath('apt-get') ? 'sudo apt-get install ffmpeg' : 'https://ffmpeg.org/download.html';
    throw new PlainFailure(`ffmpeg and ffprobe are needed and were not found; install them: ${how}`);
  }
  row('ffmpeg', 'installed', startedAtMs);
}

/** Chromium is for the browser tests alone; without it they are skipped. @returns {Promise<boolean>} */
export function ensureChromium() {
  return ensureForTests('chromium', existsSync(process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'));
}

/** strace is for the tests that watch what ffmpeg does; without it they are skipped. @returns {Promise<boolean>} */
export function ensureStrace() {
  return ensureForTests('strace', existsSync('/usr/bin/strace'));
}

/**
 * @param {string} name
 * @param {boolean} isThere
 * @returns {Promise<boolean>}
 */
async function ensureForTests(name, isThere) {
  if (isThere) return true;
  if (!canUseApt()) return false;
  const startedAtMs = Date.now();
  row(name, 'installing with apt-get …');
  try {
    await aptInstall(name);
  } catch (error) {
    row(name, `not installable (${/** @type {Error} */ (error).message.split('\n')[0]})`);
    return false;
  }
  row(name, 'installed', startedAtMs);
  return true;
}

function canUseApt() {
  return isOnPath('apt-get') && process.getuid?.() === 0;
}

/** @param {string} name */
async function aptInstall(name) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const update = await capture('apt-get', ['update', '-qq'], { env });
  if (update.code !== 0) throw new PlainFailure(`apt-get update failed\n${lastLines(update.output)}`);
  const install = await capture('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], {
    env,
  });
  if (install.code !== 0)
    throw new PlainFailure(`apt-get install ${name} failed\n${lastLines(install.output)}`);
}

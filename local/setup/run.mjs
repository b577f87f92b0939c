// Runs one command to its end, for the set-up steps. Long-lived processes are local/child.ts's.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/**
 * With its helper threads V8's collector of garbage may spin for ever on a busy machine: a sweep on the main thread comes
 * back again and again for what a helper that sleeps is to finish.
 */
const V8_FLAGS = '--single-threaded-gc';

/** Environment under which `#!/usr/bin/env node` means the Node from node_modules, and in which workerd does not hang. */
export function runtimeEnv() {
  return {
    MINIFLARE_WORKERD_V8_FLAGS: V8_FLAGS,
    ...process.env,
    PATH: [join(ROOT, 'node_modules/.bin'), process.env.PATH].join(delimiter),
  };
}

/** @param {string} command */
export function isOnPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)));
}

/**
 * Collects the output of a command; never rejects for its exit code.
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<{ code: number, output: string }>}
 */
export function capture(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    child.stdout?.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (error) => resolve({ code: 127, output: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, output: output.trim() }));
  });
}

/**
 * Runs a command on this terminal and passes signals on, so that ending the parent ends the child.
 * @param {string} command
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<number>} its exit code
 */
export function passThrough(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
    /** @param {NodeJS.Signals} signal */
    const forward = (signal) => child.kill(signal);
    const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);
    for (const signal of signals) process.on(signal, forward);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      for (const name of signals) process.off(name, forward);
      resolve(code ?? (signal ? 1 : 0));
    });
  });
}

/** @param {string} output */
export function firstLines(output, count = 15) {
  return indented(output.split('\n').slice(0, count));
}

/** @param {string} output */
export function lastLines(output, count = 15) {
  return indented(output.split('\n').slice(-count));
}

/** @param {string[]} lines */
function indented(lines) {
  return lines.map((text) => `    ${text}`).join('\n');
}

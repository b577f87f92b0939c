// What the launcher prints: aligned rows, colour only where a person looks at it.

const isColourful = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;

/** @type {(code: string) => (text: string) => string} */
const colour = (code) => (text) => (isColourful ? `\u001b[${code}m${text}\u001b[0m` : text);

export const bold = colour('1');
export const dim = colour('2');
export const red = colour('31');

/**
 * One aligned row: `  worker       http://127.0.0.1:8787   2.1 s`.
 * @param {string} name
 * @param {string} value
 * @param {number} [startedAtMs] adds the time since then
 */
export function row(name, value, startedAtMs) {
  const took = startedAtMs === undefined ? '' : dim(`${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`);
  const text = took ? `${value.padEnd(32)} ${took}` : value;
  console.log(`  ${dim(name.padEnd(13))} ${text}`);
}

/** @param {string} [text] */
export function line(text = '') {
  console.log(text ? `  ${text}` : '');
}

/** A failure that is explained by one line; anything else that is thrown is a defect and shows its stack. */
export class PlainFailure extends Error {}

/**
 * Runs an entry point: a PlainFailure becomes one line and exit code 1.
 * @param {() => Promise<unknown>} main
 */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof PlainFailure ? `${red('reelay:')} ${error.message}` : error);
    process.exitCode = 1;
  }
}

// A progress bar where a person looks on, one line per quarter where a file does.

const WIDTH = 28;
const REDRAW_MS = 100;

export type ProgressBar = {
  /** @param fraction 0 to 1 */
  update(fraction: number, note?: string): void;
  /** Ends the line at what it last showed, or full with `note`. */
  finish(note: string): void;
};

export function createProgressBar(label: string, out: NodeJS.WriteStream = process.stdout): ProgressBar {
  return out.isTTY ? drawnBar(label, out) : loggedBar(label, out);
}

function drawnBar(label: string, out: NodeJS.WriteStream): ProgressBar {
  let drawnAtMs = 0;
  const draw = (fraction: number, note: string, end = '') => {
    drawnAtMs = Date.now();
    out.write(`\r\u001b[2K${barLine(label, fraction, note)}${end}`);
  };
  return {
    update: (fraction, note = '') => {
      if (Date.now() - drawnAtMs >= REDRAW_MS) draw(fraction, note);
    },
    finish: (note) => draw(1, note, '\n'),
  };
}

function loggedBar(label: string, out: NodeJS.WriteStream): ProgressBar {
  let quartersShown = -1;
  return {
    update: (fraction, note = '') => {
      const quarters = Math.floor(fraction * 4);
      if (quarters <= quartersShown || quarters >= 4) return;
      quartersShown = quarters;
      out.write(`${barLine(label, fraction, note)}\n`);
    },
    finish: (note) => out.write(`${barLine(label, 1, note)}\n`),
  };
}

/** `  upload        ██████████▌·········  38 %   12.4 MB`; pure. */
export function barLine(label: string, fraction: number, note: string): string {
  const share = Math.min(1, Math.max(0, fraction));
  const filled = Math.round(share * WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(WIDTH - filled);
  return `  ${label.padEnd(13)} ${bar} ${String(Math.floor(share * 100)).padStart(3)} %   ${note}`.trimEnd();
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

// A progress bar where a person looks on, one line per quarter where a file does.

const WIDTH = 28;
const NARROWEST = 8;
const REDRAW_MS = 100;

export type ProgressBar = {
  /** @param fraction 0 to 1 */
  update(fraction: number, note?: string): void;
  /** Ends the line full, with `note`. */
  finish(note: string): void;
  /** Leaves the line as it last was, so that what is written next begins on its own. */
  leave(): void;
};

export function createProgressBar(label: string, out: NodeJS.WriteStream = process.stdout): ProgressBar {
  return out.isTTY ? drawnBar(label, out) : loggedBar(label, out);
}

function drawnBar(label: string, out: NodeJS.WriteStream): ProgressBar {
  let drawnAtMs = 0;
  const draw = (fraction: number, note: string, end = '') => {
    drawnAtMs = Date.now();
    out.write(`\r\u001b[2K${fittedLine(label, fraction, note, out.columns)}${end}`);
  };
  return {
    update: (fraction, note = '') => {
      if (Date.now() - drawnAtMs >= REDRAW_MS) draw(fraction, note);
    },
    finish: (note) => draw(1, note, '\n'),
    leave: () => {
      if (drawnAtMs > 0) out.write('\n');
    },
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
    leave: () => {},
  };
}

/** One terminal line whatever its width: the bar gives way to the note, then the note is cut. */
function fittedLine(label: string, fraction: number, note: string, columns = 80): string {
  const rest = barLine(label, 0, note, 0).length;
  const width = Math.min(WIDTH, Math.max(NARROWEST, columns - 1 - rest));
  return barLine(label, fraction, note, width).slice(0, columns - 1);
}

/** `  upload        ██████████░░░░░░░░░  38 %   12.4 MB`; pure. */
export function barLine(label: string, fraction: number, note: string, width = WIDTH): string {
  const share = Math.min(1, Math.max(0, fraction));
  const filled = Math.round(share * width);
  const bar = '█'.repeat(filled) + '░'.repeat(width - filled);
  return `  ${label.padEnd(13)} ${bar} ${String(Math.floor(share * 100)).padStart(3)} %   ${note}`.trimEnd();
}

// A migration as it goes on: where a person looks on, a bar for each item at work and one for all; elsewhere one line
// for each item that ends.
import { titleName } from '../migrate/candidate.ts';
import { durationText } from '../migrate/estimate.ts';
import type { PlannedItem } from '../migrate/plan-migration.ts';
import type { OnUpdate } from '../migrate/run-item.ts';
import type { Ended } from '../migrate/run-migration.ts';
import { barLine } from './progress-bar.ts';

const REDRAW_MS = 200;
const MAX_BARS = 16;

export type MigrationDisplay = {
  begin(item: PlannedItem): OnUpdate;
  end(ended: Ended): void;
  /** Leaves the terminal as it is. */
  close(): void;
};

type Active = { name: string; progress: number; stage: string; weight: number };

/** @param now in milliseconds; a test has a clock of its own */
export function createMigrationDisplay(
  items: readonly PlannedItem[],
  total: number,
  out: NodeJS.WriteStream = process.stdout,
  now: () => number = Date.now,
): MigrationDisplay {
  const active = new Map<string, Active>();
  const startedAtMs = now();
  const weights = new Map(items.map((item) => [item.key, weightOf(item)]));
  const totalWeight = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  let workWeight = 0;
  let endedWeight = 0;
  let ended = 0;
  let drawnRows = 0;
  let drawnAtMs = Number.NEGATIVE_INFINITY;

  const totalLine = () => {
    const atWork = [...active.values()].reduce((sum, one) => sum + (one.weight * one.progress) / 100, 0);
    const left = totalWeight - endedWeight - atWork;
    const done = workWeight + atWork;
    const etaSeconds = done > 0 ? ((now() - startedAtMs) / 1000 / done) * left : undefined;
    const eta = etaSeconds === undefined || left <= 0 ? '' : `, about ${durationText(etaSeconds)} left`;
    const share = totalWeight > 0 ? (endedWeight + atWork) / totalWeight : 1;
    return barLine('all', share, `${ended} of ${total}${eta}`);
  };
  const draw = (isForced = false) => {
    if (!out.isTTY || (!isForced && now() - drawnAtMs < REDRAW_MS)) return;
    drawnAtMs = now();
    const bars = [...active.values()]
      .slice(0, MAX_BARS)
      .map(({ name, progress, stage }) => barLine(name.slice(-13), progress / 100, stage));
    const rows = [...bars, totalLine()].map((row) => row.slice(0, (out.columns ?? 80) - 1));
    out.write(`${erased(drawnRows)}${rows.join('\n')}\n`);
    drawnRows = rows.length;
  };
  const say = (line: string) => {
    if (out.isTTY) out.write(erased(drawnRows));
    drawnRows = 0;
    out.write(`${line}\n`);
  };

  return {
    begin(item) {
      const one = { name: titleName(item.candidate), progress: 0, stage: 'starting', weight: weightOf(item) };
      active.set(item.key, one);
      draw();
      return ({ progress, stage }) => {
        Object.assign(one, { progress, stage });
        draw();
      };
    },
    end({ key, item, outcome }) {
      // What had ended before costs no time and tells nothing about how long the rest takes.
      if (active.delete(key)) workWeight += weights.get(key) ?? 0;
      endedWeight += weights.get(key) ?? 0;
      ended += 1;
      const reason = outcome.state === 'failed' ? `  ${outcome.code}: ${outcome.detail}` : '';
      say(
        `${String(ended).padStart(String(total).length)}/${total}  ${outcome.state.padEnd(7)}  ${titleName(item.candidate)}${reason}`,
      );
      draw(true);
    },
    close: () => draw(true),
  };
}

/** Seconds of video where they are known; a short film is not as much as a long one. */
function weightOf({ probed, sizeBytes }: PlannedItem): number {
  return probed ? probed.durationSeconds : sizeBytes / 500_000;
}

function erased(rows: number): string {
  return rows === 0 ? '' : `\u001b[${rows}A\u001b[0J`;
}

// What a fleet of transcoders wrote into their logs, and what it says about segments made twice.
import { readFile } from 'node:fs/promises';

// biome-ignore lint/suspicious/noExplicitAny: log lines have whatever fields their event has
export type LogLine = { event: string } & Record<string, any>;

/** Lines that are no JSON, or cut short by a kill, are passed over. */
export async function linesOf(logFile: string): Promise<LogLine[]> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    const start = line.indexOf('{"event"');
    if (start < 0) return [];
    try {
      return [JSON.parse(line.slice(start)) as LogLine];
    } catch {
      return [];
    }
  });
}

export type SegmentAccount = {
  /** Segments that were complete on every rung at least once. */
  encoded: number;
  /** Encodings beyond the first, over all segments. */
  encodedAgain: number;
  /** Objects for which storage said more than once that this PUT made them. */
  storedTwice: string[];
};

export function accountOf(lines: readonly LogLine[]): SegmentAccount {
  const encodings = new Map<number, number>();
  const stored = new Map<string, number>();
  for (const line of lines) {
    if (line.event === 'segment.encoded') add(encodings, Number(line.segment));
    if (line.event === 'segment.stored' && line.outcome === 'stored') {
      add(stored, `${line.stem} ${line.segment}`);
    }
  }
  return {
    encoded: encodings.size,
    encodedAgain: [...encodings.values()].reduce((sum, times) => sum + times - 1, 0),
    storedTwice: [...stored].filter(([, times]) => times > 1).map(([name]) => name),
  };
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

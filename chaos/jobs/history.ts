// What happened in a run, line by line, as JSON: the checker reads this and nothing else. A client's `invoke`
// without an `ok` may have happened or not.
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';

export type Fields = Record<string, unknown>;
export type Entry = { atMs: number; event: string } & Fields;

export type History = AsyncDisposable & {
  path: string;
  note(event: string, fields?: Fields): void;
  /** How often each event was noted. */
  counts: Map<string, number>;
};

export function openHistory(path: string): History {
  const stream = createWriteStream(path);
  const counts = new Map<string, number>();
  return {
    path,
    counts,
    note: (event, fields = {}) => {
      counts.set(event, (counts.get(event) ?? 0) + 1);
      stream.write(`${JSON.stringify({ atMs: Date.now(), event, ...fields })}\n`);
    },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => stream.end(() => resolve())),
  };
}

export async function readHistory(path: string): Promise<Entry[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry);
}

// A list of a library, as CSV or as one JSON object per line: kind, id, url or key, and if known title and popularity.
import { z } from 'zod';
import { ContentId, VideoKind } from '../../shared/api.ts';
import { isOwnKey } from '../../shared/object-keys.ts';
import type { Candidate } from './candidate.ts';
import { type CsvRow, parseCsv } from './csv.ts';

export type ReadList = { candidates: Candidate[]; problems: string[] };

const blankAsAbsent = (value: unknown) => (value === '' || value === null ? undefined : value);
const Text = z.preprocess(
  (value) => (typeof value === 'number' ? String(value) : blankAsAbsent(value)),
  z.string().optional(),
);

const Row = z
  .object({
    kind: z.preprocess(
      blankAsAbsent,
      z.enum(VideoKind.options, `the kind is none of ${VideoKind.options.join(', ')}`).default('video'),
    ),
    id: z.preprocess(
      (value) => (typeof value === 'number' ? String(value) : blankAsAbsent(value)),
      z
        .string()
        .regex(/^[A-Za-z0-9_-]{1,64}$/, 'the id is not 1 to 64 of A-Z a-z 0-9 _ -')
        .optional(),
    ),
    url: Text,
    key: Text,
    title: Text,
    popularity: z.preprocess(
      (value) => (typeof value === 'string' && value.trim() !== '' ? Number(value) : blankAsAbsent(value)),
      z.number('the popularity is no number').optional(),
    ),
  })
  .strict();

const COLUMNS = Object.keys(Row.shape);

/** @param name of the file; `.jsonl`, `.ndjson` and `.json` hold JSON lines, everything else CSV */
export function readList(name: string, text: string): ReadList {
  const list: ReadList = { candidates: [], problems: [] };
  const bare = text.replace(/^\uFEFF/, '');
  if (/\.(?:jsonl|ndjson|json)$/i.test(name)) readJsonLines(bare, list);
  else readCsv(bare, list);
  return list;
}

function readJsonLines(text: string, list: ReadList): void {
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '') return;
    const place = `line ${index + 1}`;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      list.problems.push(`${place}: this is not JSON`);
      return;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      list.problems.push(`${place}: this is no JSON object`);
      return;
    }
    take(value, place, list);
  });
}

function readCsv(text: string, list: ReadList): void {
  const { rows, problem } = parseCsv(text);
  if (problem) list.problems.push(problem);
  const first = rows[0];
  if (!first) return;
  const isHeader = first.fields.some((field) => field.trim().toLowerCase() === 'kind');
  const columns = isHeader ? first.fields.map((field) => field.trim().toLowerCase()) : undefined;
  const unknown = columns?.filter((column) => !COLUMNS.includes(column)) ?? [];
  if (unknown.length > 0) {
    list.problems.push(
      `line ${first.line}: unknown columns ${unknown.join(', ')}; known are ${COLUMNS.join(', ')}`,
    );
    return;
  }
  for (const row of isHeader ? rows.slice(1) : rows) takeRow(row, columns, list);
}

/** Without a header a line is kind, id, and a URL or a key. */
function takeRow({ line, fields }: CsvRow, columns: string[] | undefined, list: ReadList): void {
  const place = `line ${line}`;
  const names = columns ?? ['kind', 'id', /^[a-z]+:\/\//i.test(fields[2] ?? '') ? 'url' : 'key'];
  if (fields.length !== names.length) {
    list.problems.push(`${place}: ${fields.length} columns, not ${names.length}`);
    return;
  }
  take(Object.fromEntries(names.map((name, index) => [name, fields[index]!.trim()])), place, list);
}

function take(value: object, place: string, list: ReadList): void {
  const result = Row.safeParse(value);
  if (!result.success) {
    for (const { message, path } of result.error.issues) {
      const about = path.length > 0 && !message.startsWith('the ') ? `${path.join('.')}: ` : '';
      list.problems.push(`${place}: ${about}${message}`);
    }
    return;
  }
  const { kind, id, url, key, title, popularity } = result.data;
  const problem = problemOf(result.data);
  if (problem) {
    list.problems.push(`${place}: ${problem}`);
    return;
  }
  const origin =
    url !== undefined ? ({ type: 'url', url } as const) : ({ type: 'bucket', key: key! } as const);
  list.candidates.push({ kind, contentId: id, title, popularity, origin, place });
}

function problemOf({ kind, id, url, key }: z.infer<typeof Row>): string | undefined {
  if ((url === undefined) === (key === undefined)) return 'name either a url or a key';
  if (url !== undefined && !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
    return 'the url is no http or https URL';
  if (key !== undefined && isOwnKey(key)) return 'the key is one of Reelay itself';
  if (id === undefined && kind !== 'video') return `a ${kind} needs an id`;
  return id !== undefined && !ContentId.safeParse(id).success ? 'the id is no content id' : undefined;
}

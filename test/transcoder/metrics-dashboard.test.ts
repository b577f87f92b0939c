// The dashboard asks for what there is: every query names metrics of the tables, and labels that they have.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { MetricTable } from '../../shared/metrics.ts';
import { TRANSCODER_METRICS } from '../../shared/metrics-transcoder.ts';
import { WORKER_METRICS } from '../../shared/metrics-worker.ts';

const TABLE: MetricTable = { ...WORKER_METRICS, ...TRANSCODER_METRICS };
const DASHBOARD = new URL('../../worker/ops/grafana-dashboard.json', import.meta.url);

type Panel = { id: number; title: string; type: string; targets?: { expr: string; legendFormat: string }[] };
const { panels } = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as { panels: Panel[] };

/** What the machine that scrapes adds to every series. */
const TARGET_LABELS = ['instance', 'job'];
const FUNCTIONS = new Set(['sum', 'rate', 'increase', 'max', 'topk', 'histogram_quantile']);
const TOKEN =
  /\s+|"(?:[^"\\]|\\.)*"|\[(?:\$__rate_interval|\d+[smhd])\]|[A-Za-z_:][\w:]*|\d+(?:\.\d+)?|[-+*/(){},]|=~|!~|!=|=/y;

/** @throws Error where the text is none of PromQL's */
function tokensOf(query: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < query.length) {
    const at = TOKEN.lastIndex;
    const token = TOKEN.exec(query)?.[0];
    if (token === undefined) throw new Error(`no token at ${query.slice(at)}`);
    if (token.trim() !== '') tokens.push(token);
  }
  return tokens;
}

/** What is wrong with a query, as sentences. */
function mistakesIn(query: string): string[] {
  const tokens = tokensOf(query);
  const mistakes: string[] = [];
  const open: string[] = [];
  let labels: readonly string[] = [];
  const asked: string[] = [];
  let isGrouping = false;
  for (const [at, token] of tokens.entries()) {
    const next = tokens[at + 1];
    if (token === '(' || token === '{') open.push(token);
    if (token === ')' || token === '}') {
      if (open.pop() !== (token === ')' ? '(' : '{')) mistakes.push('brackets that do not match');
      isGrouping = false;
    }
    if (!/^[A-Za-z_]/.test(token)) continue;
    if (token === 'by') isGrouping = true;
    else if (isGrouping) asked.push(token);
    else if (open.at(-1) === '{') {
      if (!labels.includes(token)) mistakes.push(`there is no label ${token}`);
    } else if (next === '(' || next === 'by') {
      if (!FUNCTIONS.has(token)) mistakes.push(`there is no function ${token}`);
    } else {
      const found = labelsOf(token);
      if (found) labels = found;
      else mistakes.push(`there is no metric ${token}`);
    }
  }
  if (open.length > 0) mistakes.push('brackets that do not match');
  const all = tokens.flatMap((token) => labelsOf(token) ?? []);
  for (const label of asked)
    if (![...all, ...TARGET_LABELS].includes(label)) mistakes.push(`there is no label ${label}`);
  return mistakes;
}

function labelsOf(name: string): readonly string[] | undefined {
  const row = TABLE[name];
  if (row && row.type !== 'histogram') return row.labels;
  const [, histogram = '', suffix] = /^(.*)_(bucket|sum|count)$/.exec(name) ?? [];
  if (TABLE[histogram]?.type !== 'histogram') return undefined;
  return [...TABLE[histogram].labels, ...(suffix === 'bucket' ? ['le'] : [])];
}

const queries = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, legendFormat }) => ({ title, expr, legendFormat })),
);

describe('the dashboard', () => {
  test.each(queries)('$title: $expr', ({ expr, legendFormat }) => {
    expect(mistakesIn(expr)).toEqual([]);
    // A legend shows what is grouped by.
    for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
      expect(expr.includes('by (') ? expr : `${expr} ${TARGET_LABELS}`).toMatch(new RegExp(`\\b${label}\\b`));
    }
  });

  test('shows every metric there is, in panels of their own', () => {
    const text = queries.map(({ expr }) => expr).join('\n');
    expect(Object.keys(TABLE).filter((name) => !text.includes(name))).toEqual([]);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  test.each([
    ['rate(reelay_no_such_total[5m])', 'there is no metric reelay_no_such_total'],
    [
      'rate(reelay_http_request_duration_seconds[5m])',
      'there is no metric reelay_http_request_duration_seconds',
    ],
    ['rate(reelay_http_requests_total{path="/"}[5m])', 'there is no label path'],
    ['sum by (rung) (rate(reelay_http_requests_total[5m]))', 'there is no label rung'],
    ['summe(reelay_tasks)', 'there is no function summe'],
    ['sum(reelay_tasks', 'brackets that do not match'],
  ])('would be found out with %s', (query, mistake) => {
    expect(mistakesIn(query)).toEqual([mistake]);
  });
});

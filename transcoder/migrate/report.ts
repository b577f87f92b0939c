// What became of every item: JSON lines for programs, a summary for people.
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sourceLabel, titleName } from './candidate.ts';
import { durationText } from './estimate.ts';
import type { Ended } from './run-migration.ts';

export type ReportHead = { migrationId: string; name: string; seconds: number };

/** @returns the paths written */
export async function writeReport(path: string, head: ReportHead, ends: readonly Ended[]): Promise<string[]> {
  const summaryPath = `${path.replace(/\.jsonl$/, '')}.txt`;
  await mkdir(dirname(path), { recursive: true });
  await replace(path, ends.map((ended) => `${JSON.stringify(reportLine(ended))}\n`).join(''));
  await replace(summaryPath, `${summaryRows(head, ends).join('\n')}\n`);
  return [path, summaryPath];
}

export function reportLine({ key, item, outcome }: Ended): Record<string, unknown> {
  const { kind, contentId, origin, place } = item.candidate;
  const probed = 'probed' in item ? item.probed : undefined;
  return {
    ...{ key, kind, contentId, source: sourceLabel(origin), place },
    ...('etag' in item && { sourceEtag: item.etag, sizeBytes: item.sizeBytes }),
    ...(probed && { sourceDurationSeconds: probed.durationSeconds }),
    isCompared: probed !== undefined,
    ...outcome,
  };
}

const MAX_REASONS = 1000;

export function summaryRows({ migrationId, name, seconds }: ReportHead, ends: readonly Ended[]): string[] {
  const of = (state: string) => ends.filter(({ outcome }) => outcome.state === state);
  const failed = of('failed');
  const hours = ends.reduce((sum, { outcome }) => sum + (outcome.durationSeconds ?? 0), 0) / 3600;
  const uncompared = of('done').filter(({ item }) => !('probed' in item && item.probed));
  return [
    `Migration ${migrationId} (${name}), ${durationText(seconds)} in this run`,
    `  converted and verified  ${of('done').length}, ${hours.toFixed(2)} hours`,
    `  converted before        ${of('skipped').length}`,
    `  rolled back             ${of('rolled_back').length}`,
    `  failed                  ${failed.length}`,
    ...(uncompared.length > 0
      ? [
          `  by certificate alone    ${uncompared.length} of the converted: their sources have no index to compare with`,
        ]
      : []),
    ...(failed.length > 0 ? ['', 'Failures:'] : []),
    ...failed.slice(0, MAX_REASONS).map(({ item, outcome }) => {
      const video = outcome.videoId === undefined ? '' : ` (video ${outcome.videoId} is kept)`;
      return `  ${titleName(item.candidate)} from ${sourceLabel(item.candidate.origin)}: ${outcome.code}: ${outcome.detail}${video}`;
    }),
    ...(failed.length > 0 ? ['', 'Run the same command with --again to try these once more.'] : []),
  ];
}

/** Whole or not at all. */
async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.draft`, text, { mode: 0o600 });
  await rename(`${path}.draft`, path);
}

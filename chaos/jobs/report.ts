// What a run of jobs under faults counted, as a table.
import { type JobChaosReport, LEASE_SECONDS } from './run.ts';

export function jobTable(report: JobChaosReport): string {
  const rows: [string, string | number][] = [
    ...Object.entries(report.faults).sort(([one], [other]) => one.localeCompare(other)),
    ...Object.entries(report.counts),
    [
      'from the last fault to the end of the last job',
      `${report.settleSeconds.toFixed(1)} s (lease ${LEASE_SECONDS} s)`,
    ],
    ['in all', `${report.seconds.toFixed(0)} s`],
    ...(report.broken.length === 0 ? [] : [['history', report.history] as [string, string]]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

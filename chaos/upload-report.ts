// What an upload chaos run measured, as a table, and which of the promises it broke.
import { formatBytes } from '../transcoder/cli/transfer-meter.ts';
import type { UploadChaosReport } from './uploads.ts';

export function tableOf(report: UploadChaosReport): string {
  const list = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  const rows: [string, string | number][] = [
    ['uploads completed', `${sumOf(report.uploads)} (${list(report.uploads)})`],
    ['workerd killed', `${sumOf(report.kills)} (during ${list(report.kills)})`],
    ['clients started again', `${report.clientRestarts} (${report.resumesWithBytes} with parts held)`],
    ['requests repeated', report.retries],
    ['bytes sent', formatBytes(report.sentBytes)],
    ['bytes acknowledged', formatBytes(report.acknowledgedBytes)],
    ['acknowledged bytes sent again', report.resentAcknowledgedBytes],
    ['sources with other bytes', report.sha256Mismatches.length],
    ['jobs', `${report.jobs} for ${report.jobsExpected} files`],
    ['uploads given up', report.givenUp],
    ['before the sweep: parts of no object', report.partsBeforeSweep],
    ['after the sweep: open uploads', report.openUploads],
    ['after the sweep: orphan parts', report.orphanParts],
    ['after the sweep: orphan objects', report.orphanObjects],
    ['races of four on one part', `${report.raceRounds} (answers: ${list(report.raceAnswers)})`],
    ['completions that waited for a part in a race', report.delayedCompletions],
    ['races gone wrong', report.raceMismatches.length],
    ['replies to complete lost', report.lostReplies],
    ['lost replies gone wrong', report.lostReplyMismatches.length],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

export function sumOf(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** Empty when all held. */
export function brokenPromises(report: UploadChaosReport): string[] {
  const none: [string, number][] = [
    ['acknowledged bytes were sent again', report.resentAcknowledgedBytes],
    ['uploads stayed open after the sweep', report.openUploads],
    ['parts were left after the sweep', report.orphanParts],
    ['objects were left after the sweep', report.orphanObjects],
  ];
  const counted = none.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`);
  const jobs =
    report.jobs === report.jobsExpected ? [] : [`${report.jobs} jobs for ${report.jobsExpected} files`];
  return [
    ...counted,
    ...jobs,
    ...report.sha256Mismatches,
    ...report.wrongJobCounts.map((videoId) => `video ${videoId} has not exactly one job`),
    ...report.raceMismatches,
    ...report.lostReplyMismatches,
  ];
}

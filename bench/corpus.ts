// Every file of ../shared/media in full, at the default preset and ladder, from its bytes to a certificate.
import { join } from 'node:path';
import { AppError } from '../shared/errors.ts';
import { CORPUS } from '../test/support/media.ts';
import { runWholeJob, type WholeJob } from '../test/support/whole-job.ts';
import { type CorpusFile, readCorpus } from '../test/transcoder/corpus-expectations.ts';
import { sizeCapacity, thisMachine } from '../transcoder/capacity.ts';
import { type Cost, costOf } from './cpu-time.ts';

type Row = CorpusFile & Cost & { job?: WholeJob; error?: unknown };

const COLUMNS = ['file', 'outcome', 'wall s', 'CPU s', 'frames', 'made KiB', 'SSIM', ''];

export async function benchCorpus(): Promise<void> {
  if (!CORPUS) throw new Error('../shared/media is absent');
  const { threads } = sizeCapacity(thisMachine());
  const rows: string[][] = [];
  const surprises: string[] = [];
  const total = { cpuSeconds: 0, wallSeconds: 0 };
  for (const entry of readCorpus()) {
    const row = await runFile(entry, threads);
    total.cpuSeconds += row.cpuSeconds;
    total.wallSeconds += row.wallSeconds;
    rows.push(cellsOf(row));
    const { outcome } = entry.expected;
    const isReady = row.job !== undefined;
    if (outcome !== 'either' && isReady !== (outcome === 'transcodes')) surprises.push(entry.file);
    if (row.error !== undefined && !(row.error instanceof AppError)) surprises.push(entry.file);
  }
  printTable([COLUMNS, ...rows]);
  console.log(
    `${rows.length} files: wall ${total.wallSeconds.toFixed(0)} s, CPU ${total.cpuSeconds.toFixed(0)} s`,
  );
  console.log(surprises.length === 0 ? 'all as the manifest says' : `OTHERWISE: ${surprises.join(', ')}`);
  if (surprises.length > 0) process.exitCode = 1;
}

async function runFile(entry: CorpusFile, threads: number): Promise<Row> {
  const { result, ...cost } = await costOf(() =>
    runWholeJob(join(CORPUS!, entry.file), { threads }).then(
      (job) => ({ job }),
      (error: unknown) => ({ error }),
    ),
  );
  return { ...entry, ...cost, ...result };
}

function cellsOf({ file, job, error, wallSeconds, cpuSeconds }: Row): string[] {
  const cost = [wallSeconds.toFixed(1), cpuSeconds.toFixed(1)];
  if (!job) {
    const [code, detail] = error instanceof AppError ? [error.code, error.detail] : ['BROKE', String(error)];
    return [file, code, ...cost, '', '', '', detail.slice(0, 60)];
  }
  const { width, height, frameRate, sizeBytes, warnings = [] } = job.presentation;
  const ssim = job.receipt?.rungs.at(-1)?.ssim?.mean;
  return [
    file,
    `${width}x${height} ${frameRate?.toFixed(2)}`,
    ...cost,
    String(job.plan.totalFrames),
    String(Math.round(sizeBytes / 1024)),
    ssim?.toFixed(4) ?? '',
    warnings.map(({ code }) => code).join(' '),
  ];
}

function printTable(rows: string[][]): void {
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isText = (column: number) => column < 2 || column === COLUMNS.length - 1;
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
    );
    console.log(cells.join('  ').trimEnd());
  }
}

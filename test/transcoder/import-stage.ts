// An import task without a ledger: parts and commits are kept in memory, and attempts follow each other.
import type { ImportBegin, ImportOrder } from '../../shared/messages.ts';
import { type ImportSettings, importSource } from '../../transcoder/importer/import-task.ts';
import type { TaskContext } from '../../transcoder/task-context.ts';
import { type MemoryR2, memoryR2 } from './memory-r2.ts';
import { claimOf } from './wire-stand-in.ts';

export const PART_BYTES = 256 * 1024;

export type ImportStage = {
  r2: MemoryR2;
  begun: ImportBegin[];
  commits: number[];
  progress: number[];
  /** One attempt, which goes on where the last one ended. */
  attempt(settings?: Partial<ImportSettings>, signal?: AbortSignal): Promise<number>;
  /** What is durable, in order. */
  stored(): Buffer;
};

export function importStage(order: Partial<ImportOrder>): ImportStage {
  const r2 = memoryR2();
  const begun: ImportBegin[] = [];
  const commits: number[] = [];
  const progress: number[] = [];
  let mark = 0;
  const key = 'sources/video1/upload1';
  const uploadId = () => `r2-${begun.length}`;

  const attempt = (settings: Partial<ImportSettings> = {}, signal = new AbortController().signal) => {
    const claim = claimOf('import');
    claim.task.mark = mark;
    const last = begun.at(-1);
    claim.job.source = { key, etag: '', sizeBytes: 0 };
    claim.job.import = {
      maxBytes: 1024 ** 3,
      secondsLeft: 60,
      ports: [443],
      ...order,
      ...(last && { begun: { ...last, r2UploadId: uploadId(), partSizeBytes: PART_BYTES } }),
    };
    const log: TaskContext['log'] = {
      info: () => undefined,
      warn: () => undefined,
      error: () => undefined,
      with: () => log,
    };
    const context = {
      claim,
      r2,
      signal,
      log,
      async beginImport(file: ImportBegin) {
        begun.push(file);
        mark = 0;
        return { r2UploadId: uploadId(), partSizeBytes: PART_BYTES };
      },
      async commit(number: number) {
        if (number !== mark + 1) throw new Error(`part ${number} does not follow ${mark}`);
        mark = number;
        commits.push(number);
      },
      progress: (bytes: number) => void progress.push(bytes),
    } as unknown as TaskContext;
    return importSource(context, {
      allowLoopback: true,
      retryDelaysMs: [1, 1, 1],
      idleTimeoutMs: 20_000,
      ...settings,
    });
  };
  const stored = () => {
    const parts = r2.parts.get(`${key} ${uploadId()}`) ?? new Map<number, Uint8Array>();
    return Buffer.concat(
      [...parts]
        .sort(([a], [b]) => a - b)
        .slice(0, mark)
        .map(([, bytes]) => bytes),
    );
  };
  return { r2, begun, commits, progress, attempt, stored };
}

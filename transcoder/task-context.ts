// What every stage is given.
import type { Log } from '../shared/log.ts';
import type { Claim, ImportBegin, ImportedPart, ImportTarget } from '../shared/messages.ts';
import type { ContentKey } from '../shared/protection.ts';
import type { RunLimits } from './ffmpeg/sandbox.ts';
import type { MemoryPool } from './memory-pool.ts';
import type { R2 } from './r2.ts';
import type { Scratch } from './scratch.ts';
import type { Source } from './source.ts';

export type TaskContext = {
  claim: Claim;
  r2: R2;
  /** Empty while an import has yet to fetch it. */
  source: Source;
  scratch: Scratch;
  /** Aborted when the lease is lost or the transcoder has drained: stop at once, nothing counts any more. */
  signal: AbortSignal;
  threads: number;
  limits: RunLimits;
  /** What the chunks of this machine share; absent where a task has it to itself. */
  memory?: MemoryPool;
  log: Log;
  /** Segment (of an import: part) number `mark` of the task, from 1, is durable. Called in order, once each. */
  commit(mark: number, part?: ImportedPart): Promise<void>;
  /** Where an import's file goes that is read from its first byte. */
  beginImport(file: ImportBegin): Promise<ImportTarget>;
  /** Content key `number` of the job, where it is protected. */
  contentKey(number: number): Promise<ContentKey>;
  /** Frames of this task done so far, or bytes of an import, for display. */
  progress(done: number): void;
};

/** A text object of a generation, by its name inside it. */
export type Document = { name: string; body: string };

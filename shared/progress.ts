// From work done to one number a person watches. Pure, so that the room, the ledger and tests agree.

/** Share of the whole that fetching the source stands for, where the job begins with it; the rest shares the rest. */
const IMPORT_SHARE = 20;
/** Share of the rest that planning and finishing stand for, in per cent. */
const PLAN_SHARE = 2;
const FINISH_SHARE = 3;

/** `sizeBytes` is 0 while nobody knows it. */
export type ImportDone = { sizeBytes: number; bytesDone: number };

/** Frame counts per task, keyed by task name; a missing task counts as nothing done. */
export type WorkDone = {
  import?: ImportDone | undefined;
  /** Undefined until there is a plan. */
  totalFrames?: number | undefined;
  framesDone: Record<string, number>;
};

/** Per cent of a running job, 0 to 99.9: 100 is the word of the ledger alone, when the job has succeeded. */
export function runningProgress(work: WorkDone | undefined): number {
  if (!work) return 0;
  const encoded = encodedPercent(work);
  const percent = work.import
    ? fetchedShare(work.import) * IMPORT_SHARE + (encoded * (100 - IMPORT_SHARE)) / 100
    : encoded;
  return Math.min(99.9, Math.round(percent * 10) / 10);
}

function encodedPercent({ totalFrames, framesDone }: WorkDone): number {
  if (totalFrames === undefined) return 0;
  const done = Object.values(framesDone).reduce((sum, frames) => sum + frames, 0);
  return PLAN_SHARE + Math.min(1, done / totalFrames) * (100 - PLAN_SHARE - FINISH_SHARE);
}

function fetchedShare({ sizeBytes, bytesDone }: ImportDone): number {
  return sizeBytes === 0 ? 0 : Math.min(1, bytesDone / sizeBytes);
}

/** Seconds left at the average pace since `startedAtMs`; undefined until the pace means something. */
export function estimateEtaSeconds(percent: number, startedAtMs: number, nowMs: number): number | undefined {
  const elapsedSeconds = (nowMs - startedAtMs) / 1000;
  if (percent < 3 || percent >= 100 || elapsedSeconds < 1) return undefined;
  return Math.max(0, Math.round((elapsedSeconds * (100 - percent)) / percent));
}

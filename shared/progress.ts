// From work done to one number a person watches. Pure, so that the room, the ledger and tests agree.

/** Share of the whole that planning and finishing stand for, in per cent. */
const PLAN_SHARE = 2;
const FINISH_SHARE = 3;

/** Frame counts per task, keyed by task name; a missing task counts as nothing done. */
export type WorkDone = { totalFrames: number; framesDone: Record<string, number> };

/** Per cent of a running job, 0 to 99.9: 100 is the word of the ledger alone, when the job has succeeded. */
export function runningProgress(work: WorkDone | undefined): number {
  if (!work) return 0;
  const done = Object.values(work.framesDone).reduce((sum, frames) => sum + frames, 0);
  const share = Math.min(1, done / work.totalFrames);
  const percent = PLAN_SHARE + share * (100 - PLAN_SHARE - FINISH_SHARE);
  return Math.min(99.9, Math.round(percent * 10) / 10);
}

/** Seconds left at the average pace since `startedAtMs`; undefined until the pace means something. */
export function estimateEtaSeconds(percent: number, startedAtMs: number, nowMs: number): number | undefined {
  const elapsedSeconds = (nowMs - startedAtMs) / 1000;
  if (percent < 3 || percent >= 100 || elapsedSeconds < 1) return undefined;
  return Math.max(0, Math.round((elapsedSeconds * (100 - percent)) / percent));
}

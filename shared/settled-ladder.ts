// The ladder of a job whose plan had to be stored before its trial: a source that plays by a copy is not kept waiting,
// so the first of its chunk tasks makes the trial and stores what it says beside the plan.
import { z } from 'zod';
import type { Plan } from './plan.ts';
import { Trial } from './trial.ts';

/** work/{jobId}/ladder.json */
export const LadderDecision = z.object({
  version: z.literal(1),
  /** Absent where there was nothing to try, or the trial failed: then every planned rung is made. */
  trial: Trial.optional(),
});
export type LadderDecision = z.infer<typeof LadderDecision>;

/** Whether the rungs of a stored plan are settled only by its {@link LadderDecision}. */
export function awaitsLadder(plan: Plan): boolean {
  return plan.instant !== undefined && plan.trial === undefined;
}

/** Where the copied segments begin, and with each a key picture of the source. */
export function copiedKeySeconds({ instant }: Plan): number[] | undefined {
  return instant?.video.segments.map(({ startTicks }) => startTicks / instant.video.timescale);
}

/** The plan with the rungs that the trial found worth making. */
export function withLadder(plan: Plan, { trial }: Pick<LadderDecision, 'trial'>): Plan {
  if (!trial) return plan;
  const dropped = new Set(trial.rungs.filter(({ isKept }) => !isKept).map(({ name }) => name));
  return { ...plan, renditions: plan.renditions.filter(({ name }) => !dropped.has(name)), trial };
}

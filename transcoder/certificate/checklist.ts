// Named checks, each counting what it looked at.
import { AppError } from '../../shared/errors.ts';

export type Check = { name: string; count: number };

const FETCHES_AT_ONCE = 4;

export class Checklist {
  readonly checks: Check[] = [];

  /** Runs one check over all `items`; `problemOf` answers what is wrong with one, or nothing. */
  each<T>(
    name: string,
    items: readonly T[],
    problemOf: (item: T, index: number) => string | undefined,
  ): void {
    items.forEach((item, index) => {
      const problem = problemOf(item, index);
      if (problem) throw failure(name, problem);
    });
    this.checks.push({ name, count: items.length });
  }

  /** The same for what must be fetched, a few at a time. */
  async eachStored<T>(
    name: string,
    items: readonly T[],
    problemOf: (item: T) => Promise<string | undefined>,
  ): Promise<void> {
    for (let at = 0; at < items.length; at += FETCHES_AT_ONCE) {
      const problems = await Promise.all(items.slice(at, at + FETCHES_AT_ONCE).map(problemOf));
      const problem = problems.find((one) => one !== undefined);
      if (problem) throw failure(name, problem);
    }
    this.checks.push({ name, count: items.length });
  }
}

function failure(name: string, problem: string): AppError {
  return new AppError('verification_failed', { detail: `${name}: ${problem}`, extra: { check: name } });
}

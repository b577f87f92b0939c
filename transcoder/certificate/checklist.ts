// Named checks, each counting what it looked at.
import { AppError } from '../../shared/errors.ts';

export type Check = { name: string; count: number };

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

  async eachStored<T>(
    name: string,
    items: readonly T[],
    problemOf: (item: T) => Promise<string | undefined>,
  ): Promise<void> {
    for (const item of items) {
      const problem = await problemOf(item);
      if (problem) throw failure(name, problem);
    }
    this.checks.push({ name, count: items.length });
  }
}

function failure(name: string, problem: string): AppError {
  return new AppError('verification_failed', { detail: `${name}: ${problem}`, extra: { check: name } });
}

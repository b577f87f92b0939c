// Putting unlike things next to one another (Carbonell and Goldstein's maximal marginal relevance, 1998).

/** Likeness to so many of those just before counts. */
const LOOK_BACK = 8;

/**
 * The same candidates in an order where one that is like those before it must be better by `strength` of the
 * likeness. `likeness` is 0 to 1, scores are of about that size; candidates come best first.
 */
export function diversified<T extends { score: number }>(
  candidates: readonly T[],
  likeness: (a: T, b: T) => number,
  strength = 0.3,
): T[] {
  const left = [...candidates];
  // The highest likeness of each one that is left to those in the window, made anew as the window moves.
  const chosen: T[] = [];
  while (left.length > 0) {
    const window = chosen.slice(-LOOK_BACK);
    let best = 0;
    let bestValue = Number.NEGATIVE_INFINITY;
    for (const [index, candidate] of left.entries()) {
      if (candidate.score <= bestValue) break; // nothing behind it can be worth more
      const alike = window.reduce((most, other) => Math.max(most, likeness(candidate, other)), 0);
      const value = candidate.score - strength * alike;
      if (value <= bestValue) continue;
      best = index;
      bestValue = value;
    }
    chosen.push(...left.splice(best, 1));
  }
  return chosen;
}

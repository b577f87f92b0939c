import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest; whichever started last would keep one core waiting for the other. */
const LONGEST = [
  'corpus.test.ts',
  'main-story.test.ts',
  'players.test.ts',
  'studio.test.ts',
  'growing.test.ts',
];

/** Starts what takes longest first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rankOf = ({ moduleId }: TestSpecification) => {
      const rank = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}`));
      return rank === -1 ? LONGEST.length : rank;
    };
    return sorted.toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}

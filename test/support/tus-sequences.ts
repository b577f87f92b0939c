// Generated lives of a tus upload: a creation, then whatever clients do, right and wrong. Offsets are relative to
// the one the server is at, since only the run knows it.
import fc from 'fast-check';

export type Version = 'right' | 'missing' | 'old';

export type Creation = {
  act: 'create';
  length: string | null;
  defer: string | null;
  metadata: string | null;
  /** Creation with upload: that many bytes come along. */
  bodyBytes: number | null;
  version: Version;
};

export type Step =
  | { act: 'head'; version: Version }
  | {
      act: 'patch';
      /** Relative to the server's offset. */
      shift: number;
      bodyBytes: number | 'rest' | 'tooMuch';
      type: 'right' | 'other' | 'missing';
      offsetForm: 'right' | 'missing' | 'malformed';
      /** Upload-Length, relative to the whole file. */
      declare: number | null;
      version: Version;
      isOverridden: boolean;
      isChunked: boolean;
    }
  | { act: 'delete'; version: Version }
  | { act: 'head elsewhere' };

export type Life = { creation: Creation; steps: Step[] };

/** Large enough to look like a video from its head, small enough for many. */
const fileBytes = fc.integer({ min: 64, max: 3000 });

const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );

const version = mostly<Version>('right', 'missing', 'old');

const creation = (size: number): fc.Arbitrary<Creation> =>
  fc.record({
    act: fc.constant('create' as const),
    length: mostly<string | null>(String(size), null, '-1', 'ten', '1.5', '0', String(2 ** 45)),
    defer: mostly<string | null>(null, null, '1', '2'),
    metadata: mostly<string | null>(
      null,
      'filename YS5tcDQ=',
      'flag',
      'a YQ==,a YQ==',
      'a %%%',
      '',
      'a YQ== YQ==',
    ),
    bodyBytes: mostly<number | null>(null, 1, 40, size, size + 1),
    version,
  });

/** Most uploads of unknown length are meant. */
const deferredCreation: fc.Arbitrary<Creation> = fc.record({
  act: fc.constant('create' as const),
  length: fc.constant(null),
  defer: fc.constant('1'),
  metadata: fc.constant(null),
  bodyBytes: mostly<number | null>(null, 1, 40),
  version: fc.constant('right' as const),
});

const patch: fc.Arbitrary<Step> = fc.record({
  act: fc.constant('patch' as const),
  shift: mostly(0, 1, -1, 1000),
  bodyBytes: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 900 }) },
    { weight: 3, arbitrary: fc.constant('rest' as const) },
    { weight: 1, arbitrary: fc.constant('tooMuch' as const) },
  ),
  type: mostly<'right' | 'other' | 'missing'>('right', 'other', 'missing'),
  offsetForm: mostly<'right' | 'missing' | 'malformed'>('right', 'missing', 'malformed'),
  declare: mostly<number | null>(null, 0, 0, 1, -1),
  version,
  isOverridden: mostly(false, true),
  isChunked: mostly(false, true),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 7, arbitrary: patch },
  { weight: 3, arbitrary: fc.record({ act: fc.constant('head' as const), version }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('delete' as const), version }) },
  { weight: 1, arbitrary: fc.constant({ act: 'head elsewhere' as const }) },
);

export const lives: fc.Arbitrary<Life & { size: number }> = fileBytes.chain((size) =>
  fc.record({
    size: fc.constant(size),
    creation: fc.oneof({ weight: 4, arbitrary: creation(size) }, { weight: 1, arbitrary: deferredCreation }),
    steps: fc.array(step, { minLength: 3, maxLength: 9 }),
  }),
);

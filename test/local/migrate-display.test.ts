import { describe, expect, it } from 'vitest';
import { createMigrationDisplay } from '../../transcoder/cli/migrate-display.ts';
import type { PlannedItem } from '../../transcoder/migrate/plan-migration.ts';

const itemOf = (id: number, durationSeconds: number): PlannedItem => ({
  key: String(id),
  candidate: {
    kind: 'movie',
    contentId: String(id),
    origin: { type: 'bucket', key: `${id}` },
    place: `${id}`,
  },
  ...{ sizeBytes: 1, etag: undefined },
  probed: {
    durationSeconds,
    picturesEndSeconds: durationSeconds,
    width: 1,
    height: 1,
    framesPerSecond: 25,
    audioTracks: 0,
  },
});

function displayOf(items: PlannedItem[], isTTY: boolean) {
  let text = '';
  let nowMs = 0;
  const out = {
    ...{ isTTY, columns: 80 },
    write: (piece: string) => {
      text += piece;
      return true;
    },
  } as unknown as NodeJS.WriteStream;
  const display = createMigrationDisplay(items, items.length, out, () => nowMs);
  const pass = (ms: number) => {
    nowMs += ms;
  };
  const told = () => {
    const before = text;
    text = '';
    return before;
  };
  return { display, pass, told };
}

const [first, second] = [itemOf(1, 100), itemOf(2, 300)] as const;

describe('the display of a migration', () => {
  it('is a line for each item that ends where nobody looks on', () => {
    const { display, told } = displayOf([first, second], false);
    display.begin(first)({ progress: 50, stage: 'encoding' });
    display.end({ key: '1', item: first, outcome: { state: 'done' } });
    display.begin(second);
    display.end({
      key: '2',
      item: second,
      outcome: { state: 'failed', code: 'media_malformed', detail: 'Damaged.' },
    });
    display.close();
    expect(told()).toBe('1/2  done     movie/1\n2/2  failed   movie/2  media_malformed: Damaged.\n');
  });

  it('is a bar for each item at work and one for all on a terminal, with the time left', () => {
    const { display, pass, told } = displayOf([first, second], true);
    const update = display.begin(first);
    pass(10_000);
    told();
    update({ progress: 50, stage: 'encoding' });
    const drawn = told();
    expect(drawn).toMatch(/movie\/1 .* 50 % {3}encoding\n/);
    // 50 of 400 seconds of video in 10 s.
    expect(drawn).toMatch(/all .* 12 % {3}0 of 2, about 2 min left\n$/);
    expect(drawn.startsWith('\u001b[')).toBe(true);
    for (const line of drawn.split('\n')) expect(line.length).toBeLessThan(90);
  });

  it('reckons nothing from what had ended before', () => {
    const { display, pass, told } = displayOf([first, second], true);
    pass(1000);
    display.end({ key: '2', item: second, outcome: { state: 'skipped' } });
    expect(told()).toMatch(/ 75 % {3}1 of 2\n$/);
  });
});

import { expect, it } from 'vitest';
import { isReadBack } from '../../transcoder/certificate/object-checks.ts';

const plan = {
  chunks: [
    { index: 0, firstSegment: 0, segmentCount: 130 },
    { index: 1, firstSegment: 130, segmentCount: 270 },
  ],
};
const readBack = (track: number) =>
  Array.from({ length: 400 }, (_, index) => index).filter((index) =>
    isReadBack(index, { plan, track, count: 400 }),
  );

it('reads back the ends, the joint and 2 % in between, each track elsewhere', () => {
  expect(readBack(0)).toEqual([0, 50, 100, 130, 150, 200, 250, 300, 350, 399]);
  expect(readBack(3)).toEqual([0, 47, 97, 130, 147, 197, 247, 297, 347, 397, 399]);
});

import { describe, expect, it } from 'vitest';
import { HOUR_SECONDS } from '../../shared/limits.ts';
import { RETRY_DELAYS_SECONDS, retryAfterOf, retryDelaySeconds } from '../../worker/webhooks/schedule.ts';

const middle = { random: 0.5 };

describe('the schedule of a delivery', () => {
  it('makes ten attempts in about 75 hours', () => {
    const waits = Array.from({ length: 10 }, (_, index) => retryDelaySeconds(index + 1, middle));
    expect(waits).toEqual([5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, undefined]);
    const hours = RETRY_DELAYS_SECONDS.reduce((sum, seconds) => sum + seconds, 0) / HOUR_SECONDS;
    expect(Math.floor(hours)).toBe(75);
  });

  it('spreads by a tenth either way', () => {
    expect([0, 0.5, 1].map((random) => retryDelaySeconds(4, { random }))).toEqual([6480, 7200, 7920]);
  });

  it('waits longer where the receiver asks for it, never shorter, and a day at most', () => {
    const waitAfter = (retryAfterSeconds: number) => retryDelaySeconds(2, { ...middle, retryAfterSeconds });
    expect([waitAfter(10), waitAfter(301), waitAfter(10 ** 9)]).toEqual([300, 301, 86_400]);
  });

  it('passes faster where a setting says so', () => {
    expect(retryDelaySeconds(9, { ...middle, scale: 0.001 })).toBe(86);
    expect(retryDelaySeconds(9, { ...middle, scale: 0 })).toBe(0);
  });
});

it.each([
  ['120', 120],
  ['0', 0],
  ['Thu, 01 Jan 1970 00:02:00 GMT', 60],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['soon', undefined],
  [null, undefined],
])('Retry-After: %s is %s seconds after the first minute of all time', (header, seconds) => {
  expect(retryAfterOf(header, 60_000)).toBe(seconds);
});

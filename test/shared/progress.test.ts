import { describe, expect, it } from 'vitest';
import { estimateEtaSeconds, runningProgress } from '../../shared/progress.ts';

describe('the progress of a running job', () => {
  it('is nothing before there is a plan', () => {
    expect(runningProgress(undefined)).toBe(0);
  });

  it('counts the frames of all tasks against the plan', () => {
    expect(runningProgress({ totalFrames: 1000, framesDone: {} })).toBe(2);
    expect(runningProgress({ totalFrames: 1000, framesDone: { 'chunk:0': 250, 'chunk:1': 250 } })).toBe(49.5);
  });

  it('keeps room for the finish, and never says 100 of its own', () => {
    expect(runningProgress({ totalFrames: 1000, framesDone: { 'chunk:0': 1000 } })).toBe(97);
    expect(runningProgress({ totalFrames: 1000, framesDone: { 'chunk:0': 5000 } })).toBe(97);
  });
});

describe('the estimate of what is left', () => {
  it('follows the average pace', () => {
    expect(estimateEtaSeconds(25, 0, 10_000)).toBe(30);
  });

  it('is silent while the pace means nothing', () => {
    expect(estimateEtaSeconds(2, 0, 10_000)).toBeUndefined();
    expect(estimateEtaSeconds(25, 0, 900)).toBeUndefined();
    expect(estimateEtaSeconds(100, 0, 10_000)).toBeUndefined();
  });
});

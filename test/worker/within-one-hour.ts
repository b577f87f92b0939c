// What is counted by the hour or by the day of UTC would be split where one ends in the middle of a test.
import { HOUR_SECONDS, SECOND_MS } from '../../shared/limits.ts';

const TEST_SECONDS = 20;

/** For `beforeEach`: waits for the next hour where this one is about to end. */
export async function withinOneHour(): Promise<void> {
  const leftMs = HOUR_SECONDS * SECOND_MS - (Date.now() % (HOUR_SECONDS * SECOND_MS));
  if (leftMs < TEST_SECONDS * SECOND_MS) await scheduler.wait(leftMs + 2 * SECOND_MS);
}

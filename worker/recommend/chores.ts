// The cron's part: a training run a day for whoever has been watched, and away with what nobody reads.
import { errorFields, type Log } from '../../shared/log.ts';
import { recommendPrefix } from '../../shared/object-keys.ts';
import type { Env } from '../env.ts';
import { wakeTranscoders } from '../jobs/transcoder-container.ts';
import { deletePrefix } from '../r2.ts';
import { markDropped, runsToDrop, scheduleRuns } from './run-store.ts';
import { pruneRankings } from './viewer-store.ts';

const LISTS_PER_RUN = 5;

export async function tendRecommendations(env: Env, log: Log): Promise<void> {
  const scheduled = await scheduleRuns(env.DB);
  if (scheduled > 0) {
    log.info('recommend.scheduled', { runs: scheduled });
    await wakeTranscoders(env, log);
  }
  await pruneRankings(env.DB);
  for (const runId of await runsToDrop(env.DB)) {
    try {
      if (await deletePrefix(env.MEDIA, recommendPrefix(runId), LISTS_PER_RUN))
        await markDropped(env.DB, runId);
    } catch (error) {
      log.error('recommend.drop_failed', { runId, ...errorFields(error) });
    }
  }
}

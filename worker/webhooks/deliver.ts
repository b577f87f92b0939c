// Sends what is due, after the request that caused it and every minute by the cron. Any number of Workers may be at
// it: each takes one delivery at a time.
import { errorFields, type Log } from '../../shared/log.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import { PING } from '../../shared/webhook-api.ts';
import { type Config, configOf, type Env } from '../env.ts';
import { meter } from '../http/meter.ts';
import { attemptDelivery, isGone, type Outcome } from './attempt.ts';
import { claimDue, type DeliveryRow, recordAttempt, type Verdict } from './delivery-store.ts';
import { disableGone, endpointById, secretsOf } from './endpoint-store.ts';
import { fanOut } from './fan-out.ts';
import { retryDelaySeconds } from './schedule.ts';

/** A Worker has six connections at once; what else it does needs one too.
 * https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections */
const LANES = 4;
/** No attempt begins later. After an answer the platform leaves 30 s, and the last attempt may take 15 of them. */
const AFTER_REQUEST_MS = 10_000;
const OF_CRON_MS = 40_000;

/** For `waitUntil` behind whatever may have caused events: costs one read where there are none. Never rejects. */
export async function drainEvents(env: Env, log: Log): Promise<void> {
  try {
    if ((await fanOut(env.DB)) > 0) await deliverDue(env, log, AFTER_REQUEST_MS);
  } catch (error) {
    log.warn('webhooks.drain_failed', errorFields(error));
  }
}

/** The cron's part. */
export async function sweepWebhooks(env: Env, log: Log): Promise<void> {
  await fanOut(env.DB);
  const sent = await deliverDue(env, log, OF_CRON_MS);
  if (sent > 0) log.info('webhooks.swept', { sent });
}

/** @returns attempts that were made */
export async function deliverDue(env: Env, log: Log, budgetMs: number = AFTER_REQUEST_MS): Promise<number> {
  const untilMs = Date.now() + budgetMs;
  let sent = 0;
  const lane = async () => {
    while (Date.now() < untilMs) {
      const row = await claimDue(env.DB);
      if (!row) return;
      await deliver(env, row, log);
      sent += 1;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return sent;
}

/** Makes the attempt that `row` was claimed for. */
export async function deliver(env: Env, row: DeliveryRow, log: Log): Promise<void> {
  const config = configOf(env);
  const endpoint = await endpointById(env.DB, row.endpoint_id);
  // Deleted a moment ago, and its deliveries with it.
  if (!endpoint) return;
  const startedMs = Date.now();
  const outcome = await attemptDelivery(
    {
      endpointId: endpoint.id,
      url: endpoint.url,
      secrets: secretsOf(endpoint),
      eventId: row.event_id,
      payload: row.payload,
    },
    {
      keys: config.SIGNING_KEYS,
      allowLoopback: config.WEBHOOK_ALLOW_LOOPBACK === 'on',
      timeoutSeconds: config.WEBHOOK_TIMEOUT_SECONDS,
    },
  );
  const { statusCode, durationMs, error } = outcome;
  meter.observe('reelay_webhook_attempt_duration_seconds', {}, durationMs / 1000);
  const verdict = verdictOn(row, outcome, config);
  const attempt = {
    at: rfc3339(startedMs / 1000),
    ...(statusCode !== undefined && { statusCode }),
    durationMs,
    ...(error !== undefined && { error }),
  };
  meter.count('reelay_webhook_attempts_total', { state: verdict.state });
  const isRecorded = await recordAttempt(env.DB, row, attempt, verdict);
  if (isGone(outcome)) await disableGone(env.DB, endpoint.id, endpoint.url);
  const { event_id: eventId, endpoint_id: webhookId } = row;
  const level = verdict.state === 'exhausted' || isGone(outcome) ? 'warn' : 'info';
  log[level]('webhook.attempted', {
    ...{ eventId, webhookId, try: row.tries + 1, state: verdict.state, isRecorded },
    ...{ statusCode, durationMs, reason: error },
  });
}

function verdictOn(row: DeliveryRow, outcome: Outcome, config: Config): Verdict {
  if (outcome.isDelivered) return { state: 'delivered' };
  if (isGone(outcome)) return { state: 'disabled' };
  // Whoever asks for a ping waits for its answer.
  if (row.type === PING) return { state: 'exhausted' };
  const delaySeconds = retryDelaySeconds(row.tries + 1, {
    retryAfterSeconds: outcome.retryAfterSeconds,
    scale: config.WEBHOOK_DELAY_SCALE,
  });
  return delaySeconds === undefined ? { state: 'exhausted' } : { state: 'pending', delaySeconds };
}

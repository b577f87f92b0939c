// Receivers that answer anything and nothing: every event is delivered or exhausted, on schedule, under one id.
import { env } from 'cloudflare:test';
import { Webhook as Verifier } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Delivery, Webhook } from '../../shared/webhook-api.ts';
import { deliver, deliverDue } from '../../worker/webhooks/deliver.ts';
import { claimDue, pruneDeliveries, recordAttempt } from '../../worker/webhooks/delivery-store.ts';
import { eventId } from '../../worker/webhooks/events.ts';
import { fanOut } from '../../worker/webhooks/fan-out.ts';
import { JITTER, RETRY_DELAYS_SECONDS } from '../../worker/webhooks/schedule.ts';
import { CANARY_HOSTS, type Step } from '../support/webhook-host.ts';
import { clientOf } from './api-client.ts';
import { log } from './ledger-fixtures.ts';
import {
  canaryHits,
  createWebhook,
  deliveriesOf,
  happen,
  passTime,
  quickEnv,
  receivedAt,
} from './webhook-steps.ts';

/** The figure's 300 take a minute or two: `WEBHOOK_EVENTS=300 npx vitest run --project worker …`. */
const EVENTS = Number(env.WEBHOOK_EVENTS ?? 60);
const ATTEMPTS = RETRY_DELAYS_SECONDS.length + 1;
const FAILURES: Step[] = ['500', '302', '307', '429', '503', 'reset', 'timeout'];

// What earlier tests left to be tried again would come due in the middle of another.
beforeEach(() => env.DB.prepare('DELETE FROM webhook_deliveries').run());
afterEach(() => vi.restoreAllMocks());

/** Every fifth event never arrives; the others do after none to four failures of every kind. */
function scriptsOf(events: number): Step[][] {
  // What hangs costs real time: some do, the others answer.
  let hanging = Math.ceil(events / 20);
  const failure = (index: number, n: number) => {
    const step = FAILURES[(index * 3 + n * 5) % FAILURES.length]!;
    return step === 'timeout' && hanging-- <= 0 ? '500' : step;
  };
  return Array.from({ length: events }, (_, index) => {
    const isLost = index % 5 === 4;
    const failures = Array.from({ length: isLost ? ATTEMPTS : index % 5 }, (_, n) => failure(index, n));
    return isLost ? failures : [...failures, '200'];
  });
}

/** A connection that is reset: HTTP answers cannot play that. Everything else goes its way. */
function resetConnections(): void {
  const times = new Map<string, number>();
  const real = globalThis.fetch;
  vi.spyOn(globalThis, 'fetch').mockImplementation((async (input: RequestInfo, init?: RequestInit) => {
    const headers = new Headers(init?.headers);
    const id = headers.get('webhook-id');
    if (id !== null) {
      const time = times.get(id) ?? 0;
      times.set(id, time + 1);
      const { data } = JSON.parse(String(init?.body)) as { data: { script?: Step[] } };
      if (data.script?.[time] === 'reset') throw new TypeError('Network connection lost.');
    }
    return real(input, init);
  }) as typeof fetch);
}

/** Seconds until the next attempt of each delivery that waits, with how often it was tried. */
async function waits(webhookId: string) {
  const { results } = await env.DB.prepare(
    `SELECT id, tries, next_at - unixepoch() AS seconds, attempts ->> '$[#-1].statusCode' AS status
     FROM webhook_deliveries WHERE endpoint_id = ? AND state = 'pending' AND tries > 0`,
  )
    .bind(webhookId)
    .all<{ id: string; tries: number; seconds: number; status: number | null }>();
  return results;
}

describe('a receiver that answers everything', () => {
  it(
    `gets ${EVENTS} events or exhausts them, on schedule, and never sends us elsewhere`,
    async () => {
      const admin = await clientOf();
      const webhook = await createWebhook(admin, { events: ['video.ready'] });
      const gone = await createWebhook(admin, { events: ['video.failed'] });
      const scripts = scriptsOf(EVENTS);
      const keys = await happen(admin.ownerId, scripts);
      await happen(admin.ownerId, [['410'], ['200'], ['200']], 'video.failed');
      await fanOut(env.DB);
      resetConnections();

      for (let round = 1; round <= ATTEMPTS + 1; round++) {
        const startedMs = Date.now();
        // Two Workers at once: no attempt is made twice.
        await Promise.all([deliverDue(quickEnv, log, 60_000), deliverDue(quickEnv, log, 60_000)]);
        const open = await waits(webhook.id);
        if (open.length === 0) break;
        const roundSeconds = (Date.now() - startedMs) / 1000 + 1;
        for (const { tries, seconds, status } of open) {
          const planned = RETRY_DELAYS_SECONDS[tries - 1]!;
          const least = Math.max(planned * (1 - JITTER), status === 429 ? 7200 : 0) - roundSeconds;
          const most = Math.max(planned * (1 + JITTER), status === 429 ? 7200 : 0) + 1;
          expect(seconds).toBeGreaterThanOrEqual(least);
          expect(seconds).toBeLessThanOrEqual(most);
        }
        await passTime(webhook.id);
      }

      const deliveries = new Map((await deliveriesOf(admin, webhook.id)).map((one) => [one.eventId, one]));
      expect(deliveries.size).toBe(EVENTS);
      for (const [index, key] of keys.entries()) {
        const { state, attempts } = deliveries.get(eventId('video.ready', key))!;
        const script = scripts[index]!;
        const isLost = !script.includes('200');
        expect([state, attempts.length]).toEqual([isLost ? 'exhausted' : 'delivered', script.length]);
        expect(attempts.map(shown)).toEqual(script);
      }

      // One request for each attempt but those whose connection was reset.
      const received = await receivedAt(webhook.path);
      const sent = scripts.flat().filter((step) => step !== 'reset');
      expect(received).toHaveLength(sent.length);
      for (const { headers, body } of received) new Verifier(webhook.secret).verify(body, headers);
      expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBeGreaterThan(
        EVENTS * 0.9,
      );

      const disabled = await admin.json<Webhook>(200, 'GET', `/v1/webhooks/${gone.id}`);
      expect(disabled).toMatchObject({
        status: 'disabled',
        disabledReason: 'The receiver answered 410 Gone.',
      });
      expect((await deliveriesOf(admin, gone.id)).map(({ state }) => state)).toContain('disabled');
      expect(await canaryHits()).toEqual([]);
    },
    60_000 + EVENTS * 1000,
  );
});

/** What the log says of an attempt, in the words of the script. */
function shown({ statusCode, error }: Delivery['attempts'][number]): Step {
  if (error === 'The connection failed.') return 'reset';
  if (error?.startsWith('No answer within')) return 'timeout';
  return String(statusCode);
}

describe('a private address', () => {
  const json = (url: string) => ({ json: { url } });

  it.each(CANARY_HOSTS)('is refused for a webhook: %s', async (host) => {
    const admin = await clientOf();
    expect(await admin.code('POST', '/v1/webhooks', json(`https://${host}/`))).toBe(
      'webhook_address_refused',
    );
    const { id } = await createWebhook(admin);
    expect(await admin.code('PATCH', `/v1/webhooks/${id}`, json(`https://${host}/`))).toBe(
      'webhook_address_refused',
    );
    await admin.json(200, 'PATCH', `/v1/webhooks/${id}`, json('https://hooks.example.com/'));
  });

  it('is not sent to where one stands in the table', async () => {
    const admin = await clientOf();
    const { id } = await createWebhook(admin);
    for (const host of CANARY_HOSTS) {
      await env.DB.prepare('UPDATE webhook_endpoints SET url = ? WHERE id = ?')
        .bind(`https://${host}/`, id)
        .run();
      await happen(admin.ownerId, [['200']]);
      await fanOut(env.DB);
      await deliverDue(quickEnv, log);
    }
    const deliveries = await deliveriesOf(admin, id);
    expect(deliveries).toHaveLength(CANARY_HOSTS.length);
    for (const { state, attempts } of deliveries) {
      expect(state).toBe('pending');
      expect(attempts[0]!.error).toMatch(/bare address|private network/);
    }
    expect(await canaryHits()).toEqual([]);
  });
});

describe('a Worker that dies in the middle', () => {
  it('loses nothing: the lease lapses and the same event is sent again', async () => {
    const admin = await clientOf();
    const webhook = await createWebhook(admin);
    const [key] = await happen(admin.ownerId, [['200']]);
    // Dead between event and deliveries: nothing has left the outbox.
    await fanOut(env.DB);
    const dead = await claimDue(env.DB);
    expect(dead?.event_id).toBe(eventId('video.ready', key!));
    expect(await deliverDue(quickEnv, log)).toBe(0);
    await passTime(webhook.id);
    expect(await deliverDue(quickEnv, log)).toBe(1);
    expect(await receivedAt(webhook.path)).toHaveLength(1);

    // Not quite dead: what it still says of its attempt does not undo the other's.
    const late = { at: new Date().toISOString(), durationMs: 1, error: 'The connection failed.' };
    expect(await recordAttempt(env.DB, dead!, late, { state: 'pending', delaySeconds: 5 })).toBe(false);
    expect(await deliveriesOf(admin, webhook.id)).toMatchObject([{ state: 'delivered', attempts: [{}] }]);
  });

  it('does not make an event twice when its outbox row comes back', async () => {
    const admin = await clientOf();
    const webhook = await createWebhook(admin);
    await happen(admin.ownerId, [['200']]);
    const rows = await env.DB.prepare(`SELECT id, body FROM outbox WHERE topic = 'event'`).all<{
      id: string;
      body: string;
    }>();
    await Promise.all([fanOut(env.DB), fanOut(env.DB)]);
    for (const { id, body } of rows.results) {
      await env.DB.prepare(`INSERT INTO outbox (id, topic, body) VALUES (?, 'event', ?)`)
        .bind(id, body)
        .run();
    }
    await fanOut(env.DB);
    expect(await deliveriesOf(admin, webhook.id)).toHaveLength(1);
    await deliverDue(quickEnv, log);
  });
});

it('an endpoint has two attempts in flight at most, and does not keep another from its own', async () => {
  const admin = await clientOf();
  const slow = await createWebhook(admin, { events: ['video.ready'] });
  await happen(
    admin.ownerId,
    Array.from({ length: 5 }, () => ['200']),
  );
  await fanOut(env.DB);
  const held = [await claimDue(env.DB), await claimDue(env.DB), await claimDue(env.DB)];
  expect(held.map((row) => row?.endpoint_id)).toEqual([slow.id, slow.id, undefined]);
  const other = await createWebhook(admin, { events: ['video.failed'] });
  await happen(admin.ownerId, [['200']], 'video.failed');
  await fanOut(env.DB);
  const next = await claimDue(env.DB);
  expect(next?.endpoint_id).toBe(other.id);
  await deliver(quickEnv, next!, log);
  expect(await receivedAt(other.path)).toHaveLength(1);
});

it('what was delivered a month ago is forgotten', async () => {
  const admin = await clientOf();
  const { id } = await createWebhook(admin);
  await happen(admin.ownerId, [['200'], ['200']]);
  await fanOut(env.DB);
  const age = `UPDATE webhook_deliveries SET created_at = unixepoch() - 31 * 86400
    WHERE id = (SELECT id FROM webhook_deliveries WHERE endpoint_id = ? LIMIT 1)`;
  await env.DB.prepare(age).bind(id).run();
  await pruneDeliveries(env.DB);
  expect(await deliveriesOf(admin, id)).toHaveLength(1);
});

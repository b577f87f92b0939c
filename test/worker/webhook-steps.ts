// Webhooks as a test works with them: an owner with endpoints, events out of nothing, and a clock that is moved by
// writing to D1.
import { env } from 'cloudflare:test';
import type { CreatedWebhook, Delivery, DeliveryList } from '../../shared/webhook-api.ts';
import type { Env } from '../../worker/env.ts';
import { eventStatement, type NewEvent } from '../../worker/webhooks/events.ts';
import { RECEIVER, type Received, type Step } from '../support/webhook-host.ts';
import type { Client } from './api-client.ts';

/** A receiver that hangs costs a test little, and one that answers has time for it on a busy machine. */
export const quickEnv = { ...env, WEBHOOK_TIMEOUT_SECONDS: '3' } as unknown as Env;

export async function createWebhook(
  client: Client,
  choices: { url?: string; events?: string[] } = {},
): Promise<CreatedWebhook & { path: string }> {
  const path = `/${crypto.randomUUID()}`;
  const json = { url: RECEIVER + path, ...choices };
  return { ...(await client.json<CreatedWebhook>(201, 'POST', '/v1/webhooks', { json })), path };
}

/** Events of one owner, each with the script its receivers follow. */
export async function happen(
  ownerId: string,
  scripts: Step[][],
  type: NewEvent['type'] = 'video.ready',
): Promise<string[]> {
  const keys = scripts.map(() => crypto.randomUUID());
  const statements = scripts.map((script, index) =>
    eventStatement(
      env.DB,
      { type, key: keys[index]!, about: { ownerId }, data: { script } },
      { sql: '1', params: [] },
    ),
  );
  await env.DB.batch(statements);
  return keys;
}

export async function deliveriesOf(client: Client, webhookId: string): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  let cursor: string | undefined;
  do {
    const query = `?limit=100${cursor === undefined ? '' : `&cursor=${cursor}`}`;
    const page = await client.json<DeliveryList>(200, 'GET', `/v1/webhooks/${webhookId}/deliveries${query}`);
    deliveries.push(...page.deliveries);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return deliveries;
}

export async function receivedAt(path: string): Promise<Received[]> {
  return (await fetch(`${RECEIVER}/received${path}`)).json() as Promise<Received[]>;
}

export async function canaryHits(): Promise<string[]> {
  return (await fetch(`${RECEIVER}/canary-hits`)).json() as Promise<string[]>;
}

/** Lets every wait, and every lease, of an endpoint's deliveries end. */
export async function passTime(webhookId: string): Promise<void> {
  await env.DB.prepare('UPDATE webhook_deliveries SET next_at = 0 WHERE endpoint_id = ?')
    .bind(webhookId)
    .run();
}

import { env } from 'cloudflare:test';
import { Webhook as Verifier } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import type { CreatedWebhook, Delivery, Webhook } from '../../shared/webhook-api.ts';
import { deliverDue } from '../../worker/webhooks/deliver.ts';
import { fanOut } from '../../worker/webhooks/fan-out.ts';
import { OVERLAP_SECONDS } from '../../worker/webhooks/secrets.ts';
import { RECEIVER } from '../support/webhook-host.ts';
import { clientOf } from './api-client.ts';
import { log } from './ledger-fixtures.ts';
import { createWebhook, deliveriesOf, happen, quickEnv, receivedAt } from './webhook-steps.ts';

async function deliverAll(): Promise<void> {
  await fanOut(env.DB);
  await deliverDue(quickEnv, log);
}

describe('a webhook', () => {
  it('is made, listed, changed and deleted by admins of its owner', async () => {
    const admin = await clientOf();
    const { secret, path, ...info } = await createWebhook(admin, { events: ['video.ready'] });
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(info).toMatchObject({ url: RECEIVER + path, status: 'enabled', events: ['video.ready'] });
    expect(await admin.json(200, 'GET', `/v1/webhooks/${info.id}`)).toEqual(info);
    expect(await admin.json(200, 'GET', '/v1/webhooks')).toEqual({ webhooks: [info] });
    const row = await env.DB.prepare('SELECT * FROM webhook_endpoints WHERE id = ?').bind(info.id).first();
    expect(JSON.stringify(row)).not.toContain(secret.slice(6));

    const patch = { json: { description: 'mine', events: [], status: 'disabled' } };
    const changed = await admin.json<Webhook>(200, 'PATCH', `/v1/webhooks/${info.id}`, patch);
    expect(changed).toMatchObject({ description: 'mine', events: [], status: 'disabled', url: info.url });
    expect(changed.disabledReason).toBe('It was disabled by its owner.');
    const enabled = await admin.json<Webhook>(200, 'PATCH', `/v1/webhooks/${info.id}`, {
      json: { status: 'enabled' },
    });
    expect(enabled.disabledReason).toBeUndefined();

    const stranger = await clientOf();
    const uploader = await clientOf('uploader', admin.ownerId);
    for (const [method, suffix] of [
      ['GET', ''],
      ['PATCH', ''],
      ['DELETE', ''],
      ['POST', '/rotate'],
      ['POST', '/test'],
      ['GET', '/deliveries'],
    ] as const) {
      const options = method === 'PATCH' ? { json: {} } : {};
      expect(await stranger.code(method, `/v1/webhooks/${info.id}${suffix}`, options)).toBe('not_found');
      expect(await uploader.code(method, `/v1/webhooks/${info.id}${suffix}`, options)).toBe('forbidden');
    }
    await admin.json(204, 'DELETE', `/v1/webhooks/${info.id}`);
    expect(await admin.code('GET', `/v1/webhooks/${info.id}`)).toBe('not_found');
  });

  it('shows its secret once, however often the request is repeated', async () => {
    const admin = await clientOf();
    const options = { json: { url: `${RECEIVER}/once` }, headers: { 'Idempotency-Key': 'once' } };
    const { id } = await admin.json<CreatedWebhook>(201, 'POST', '/v1/webhooks', options);
    expect(await admin.code('POST', '/v1/webhooks', options)).toBe('already_shown');
    const again = { headers: { 'Idempotency-Key': 'again' } };
    await admin.json(200, 'POST', `/v1/webhooks/${id}/rotate`, again);
    expect(await admin.code('POST', `/v1/webhooks/${id}/rotate`, again)).toBe('already_shown');
  });

  it('is one of twenty at most', async () => {
    const admin = await clientOf();
    const made = await Promise.all(Array.from({ length: 20 }, () => createWebhook(admin)));
    const json = { url: `${RECEIVER}/one-more` };
    expect(await admin.code('POST', '/v1/webhooks', { json })).toBe('webhook_limit_reached');
    await admin.json(204, 'DELETE', `/v1/webhooks/${made[0]!.id}`);
    await admin.json(201, 'POST', '/v1/webhooks', { json });
  });
});

describe('a delivery', () => {
  it('is what the Standard Webhooks verifier accepts, by the endpoint’s own secret alone', async () => {
    const admin = await clientOf();
    const mine = await createWebhook(admin);
    const other = await createWebhook(admin);
    const [key] = await happen(admin.ownerId, [['200']]);
    await deliverAll();
    const [received, ...more] = await receivedAt(mine.path);
    expect(more).toEqual([]);
    const { headers, body } = received!;
    expect(headers['webhook-id']).toBe(`evt_video_ready_${key}`);
    expect(headers['content-type']).toBe('application/json');
    expect(new Verifier(mine.secret).verify(body, headers)).toMatchObject({
      type: 'video.ready',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      data: { script: ['200'] },
    });
    expect(() => new Verifier(other.secret).verify(body, headers)).toThrow();
    expect(() => new Verifier(mine.secret).verify(`${body} `, headers)).toThrow();
  });

  it('is signed by the old secret too for a day after a rotation', async () => {
    const admin = await clientOf();
    const before = await createWebhook(admin);
    const rotate = `/v1/webhooks/${before.id}/rotate`;
    const after = await admin.json<CreatedWebhook>(200, 'POST', rotate);
    expect(after.secret).not.toBe(before.secret);
    const leftSeconds = Date.parse(after.oldSecretUntil!) / 1000 - Date.now() / 1000;
    expect(Math.abs(leftSeconds - OVERLAP_SECONDS)).toBeLessThan(60);
    await happen(admin.ownerId, [['200']]);
    await deliverAll();
    const overlapping = (await receivedAt(before.path)).at(-1)!;
    expect(overlapping.headers['webhook-signature']!.split(' ')).toHaveLength(2);
    for (const { secret } of [before, after]) {
      new Verifier(secret).verify(overlapping.body, overlapping.headers);
    }

    // A day later.
    await env.DB.prepare(
      `UPDATE webhook_endpoints SET secrets = json_set(secrets, '$[1].until', unixepoch() - 1) WHERE id = ?`,
    )
      .bind(before.id)
      .run();
    await happen(admin.ownerId, [['200']]);
    await deliverAll();
    const later = (await receivedAt(before.path)).at(-1)!;
    new Verifier(after.secret).verify(later.body, later.headers);
    expect(() => new Verifier(before.secret).verify(later.body, later.headers)).toThrow();
  });

  it('goes to enabled endpoints of the owner that want its type', async () => {
    const admin = await clientOf();
    const stranger = await createWebhook(await clientOf());
    const all = await createWebhook(admin);
    const some = await createWebhook(admin, { events: ['video.failed', 'video.ready'] });
    const others = await createWebhook(admin, { events: ['video.deleted'] });
    const off = await createWebhook(admin);
    await admin.json(200, 'PATCH', `/v1/webhooks/${off.id}`, { json: { status: 'disabled' } });
    await happen(admin.ownerId, [['200']]);
    await deliverAll();
    const counts = [all, some, others, off, stranger].map(
      async ({ path }) => (await receivedAt(path)).length,
    );
    expect(await Promise.all(counts)).toEqual([1, 1, 0, 0, 0]);
  });

  it('can be sent again, with the same id', async () => {
    const admin = await clientOf();
    const webhook = await createWebhook(admin);
    await happen(admin.ownerId, [['200']]);
    await deliverAll();
    const [delivery] = await deliveriesOf(admin, webhook.id);
    expect(delivery).toMatchObject({ state: 'delivered', attempts: [{ statusCode: 200 }] });
    const resend = `/v1/webhooks/${webhook.id}/deliveries/${delivery!.id}/resend`;
    await admin.json(202, 'POST', resend);
    await deliverAll();
    await expect.poll(async () => (await receivedAt(webhook.path)).length, { timeout: 20_000 }).toBe(2);
    const ids = (await receivedAt(webhook.path)).map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(1);

    expect(await admin.code('POST', resend.replace(delivery!.id, '0'.repeat(32)))).toBe('not_found');
    await admin.json(200, 'PATCH', `/v1/webhooks/${webhook.id}`, { json: { status: 'disabled' } });
    expect(await admin.code('POST', resend)).toBe('webhook_disabled');
  });

  it('of a ping says at once what the receiver answered, and is not tried again', async () => {
    const admin = await clientOf();
    const webhook = await createWebhook(admin, { events: ['video.deleted'] });
    const ping = await admin.json<Delivery>(200, 'POST', `/v1/webhooks/${webhook.id}/test`);
    expect(ping).toMatchObject({ type: 'webhook.ping', state: 'delivered', attempts: [{ statusCode: 200 }] });
    const gone = await createWebhook(admin, { url: 'https://nobody.example.com/' });
    const failed = await admin.json<Delivery>(200, 'POST', `/v1/webhooks/${gone.id}/test`);
    expect(failed).toMatchObject({
      state: 'exhausted',
      attempts: [{ statusCode: 502, error: 'The receiver answered 502.', durationMs: expect.any(Number) }],
    });
  });

  it('is listed in pages, newest first', async () => {
    const admin = await clientOf();
    const webhook = await createWebhook(admin);
    await happen(admin.ownerId, [['200'], ['200'], ['200']]);
    await fanOut(env.DB);
    const list = `/v1/webhooks/${webhook.id}/deliveries`;
    const first = await admin.json<{ deliveries: Delivery[]; nextCursor: string }>(
      200,
      'GET',
      `${list}?limit=2`,
    );
    const second = await admin.json<{ deliveries: Delivery[] }>(
      200,
      'GET',
      `${list}?cursor=${first.nextCursor}`,
    );
    expect(new Set([...first.deliveries, ...second.deliveries].map(({ id }) => id)).size).toBe(3);
    expect(second).not.toHaveProperty('nextCursor');
    expect(await admin.code('GET', `${list}?cursor=x`)).toBe('invalid_request');
  });
});

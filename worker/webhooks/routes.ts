// /v1/webhooks: where events go. Admins only; a secret is shown once.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { type CreatedWebhook, CreateWebhook, WebhookPatch } from '../../shared/webhook-api.ts';
import { checkWebhookUrl } from '../../shared/webhook-url.ts';
import { requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { idempotent, newId } from '../http/idempotency.ts';
import {
  deleteEndpoint,
  type EndpointRow,
  insertEndpoint,
  listEndpoints,
  ownEndpoint,
  renderWebhook,
  replaceSecrets,
  secretsOf,
  updateEndpoint,
} from './endpoint-store.ts';
import { newSecret, rotated, wrapSecret } from './secrets.ts';

const SHOWN_ONCE = { 'Cache-Control': 'no-store' };

export function webhookRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const isAdmin = requires('admin');

  app.post('/v1/webhooks', isAdmin, idempotent(refuseSecondSight), async (c) => {
    const { url, description, events = [] } = await jsonBody(c, CreateWebhook);
    const id = newId(c);
    const secret = newSecret();
    const { SIGNING_KEYS } = c.var.config;
    const row = await insertEndpoint(c.env.DB, {
      ...{ id, ownerId: c.var.caller.ownerId, url: allowedUrl(c, url), description, events },
      secrets: [await wrapSecret(secret, { id, endpointId: id }, SIGNING_KEYS)],
    });
    c.var.log.info('webhook.created', { webhookId: id });
    const created: CreatedWebhook = { ...renderWebhook(row), secret };
    return c.json(created, 201, { ...SHOWN_ONCE, Location: `/v1/webhooks/${id}` });
  });

  app.get('/v1/webhooks', isAdmin, async (c) => {
    const rows = await listEndpoints(c.env.DB, c.var.caller.ownerId);
    return c.json({ webhooks: rows.map(renderWebhook) });
  });

  app.get('/v1/webhooks/:id', isAdmin, async (c) => c.json(renderWebhook(await own(c))));

  app.patch('/v1/webhooks/:id', isAdmin, async (c) => {
    const patch = await jsonBody(c, WebhookPatch);
    const url = patch.url === undefined ? {} : { url: allowedUrl(c, patch.url) };
    const { ownerId } = c.var.caller;
    return c.json(renderWebhook(await updateEndpoint(c.env.DB, ownerId, idOf(c), { ...patch, ...url })));
  });

  app.delete('/v1/webhooks/:id', isAdmin, async (c) => {
    await deleteEndpoint(c.env.DB, c.var.caller.ownerId, idOf(c));
    c.var.log.info('webhook.deleted', { webhookId: idOf(c) });
    return c.body(null, 204);
  });

  app.post('/v1/webhooks/:id/rotate', isAdmin, idempotent(refuseSecondRotation), async (c) => {
    const row = await own(c);
    const secret = newSecret();
    const added = await wrapSecret(secret, { id: newId(c), endpointId: row.id }, c.var.config.SIGNING_KEYS);
    const secrets = rotated(secretsOf(row), added, Math.floor(Date.now() / 1000));
    if (!(await replaceSecrets(c.env.DB, row, secrets))) {
      throw new AppError('idempotency_in_flight', {
        detail: 'Another request rotates this secret.',
        retryAfterSeconds: 1,
      });
    }
    c.var.log.info('webhook.rotated', { webhookId: row.id });
    const answer: CreatedWebhook = { ...renderWebhook(await own(c)), secret };
    return c.json(answer, 200, SHOWN_ONCE);
  });

  return app;
}

/** Of a route that names one. @throws AppError `not_found` */
export function own(c: Context<AppEnv>): Promise<EndpointRow> {
  return ownEndpoint(c.env.DB, c.var.caller.ownerId, idOf(c));
}

function idOf(c: Context<AppEnv>): string {
  return c.req.param('id') ?? '';
}

function allowedUrl(c: Context<AppEnv>, url: string): string {
  return checkWebhookUrl(url, { allowLoopback: c.var.config.WEBHOOK_ALLOW_LOOPBACK === 'on' }).href;
}

/** The secret was in the first answer and is nowhere since. */
async function refuseSecondSight(c: Context<AppEnv>, id: string): Promise<never> {
  await ownEndpoint(c.env.DB, c.var.caller.ownerId, id);
  throw new AppError('already_shown', {
    detail: 'The secret was shown when the webhook was made. If it is lost, rotate it.',
    extra: { id },
  });
}

async function refuseSecondRotation(c: Context<AppEnv>, secretId: string): Promise<never> {
  const row = await own(c);
  if (!secretsOf(row).some(({ id }) => id === secretId)) {
    throw new AppError('not_found', { detail: 'There is no such secret any more.' });
  }
  throw new AppError('already_shown', {
    detail: 'The secret was shown when it was made. If it is lost, rotate once more.',
    extra: { id: row.id },
  });
}

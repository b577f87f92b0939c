// /v1/webhooks/:id/deliveries: what became of each event, once more, and a ping.
import { Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { pageOf, placeIn } from '../../shared/page-cursor.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import { type Delivery, type DeliveryList, DeliveryQuery, PING } from '../../shared/webhook-api.ts';
import { requires } from '../http/auth.ts';
import { validated } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { idempotent, newId, repeatable } from '../http/idempotency.ts';
import { deliver } from './deliver.ts';
import {
  attemptsOf,
  claimOne,
  type DeliveryRow,
  deliveryOf,
  insertPing,
  listDeliveries,
  resendDelivery,
} from './delivery-store.ts';
import { eventId } from './events.ts';
import { own } from './routes.ts';

export function deliveryRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const isAdmin = requires('admin');

  app.get('/v1/webhooks/:id/deliveries', isAdmin, async (c) => {
    const { limit, cursor, state } = validated(DeliveryQuery, c.req.query());
    const after = placeIn(cursor);
    const rows = await listDeliveries(c.env.DB, (await own(c)).id, { state, after, limit: limit + 1 });
    const { page, next } = pageOf(rows, limit);
    const list: DeliveryList = { deliveries: page.map(renderDelivery), ...next };
    return c.json(list);
  });

  app.post('/v1/webhooks/:id/deliveries/:delivery/resend', isAdmin, repeatable, async (c) => {
    const endpoint = await own(c);
    const id = c.req.param('delivery');
    if (!(await deliveryOf(c.env.DB, endpoint.id, id))) throw noSuchDelivery();
    if (endpoint.status === 'disabled') {
      throw new AppError('webhook_disabled', { detail: 'Enable the webhook first.' });
    }
    await resendDelivery(c.env.DB, id);
    c.executionCtx.waitUntil(
      (async () => {
        const row = await claimOne(c.env.DB, id);
        if (row) await deliver(c.env, row, c.var.log);
      })(),
    );
    return c.json(renderDelivery((await deliveryOf(c.env.DB, endpoint.id, id))!), 202);
  });

  app.post('/v1/webhooks/:id/test', isAdmin, idempotent(shownPing), async (c) => {
    const endpoint = await own(c);
    const id = newId(c);
    await insertPing(c.env.DB, { id, endpointId: endpoint.id, eventId: eventId(PING, id), type: PING });
    const row = await claimOne(c.env.DB, id);
    // While the caller waits: its answer says what the receiver answered.
    if (row) await deliver(c.env, row, c.var.log);
    return shownPing(c, id);
  });

  return app;
}

async function shownPing(c: Parameters<typeof own>[0], id: string): Promise<Response> {
  const row = await deliveryOf(c.env.DB, (await own(c)).id, id);
  if (!row) throw noSuchDelivery();
  return c.json(renderDelivery(row));
}

function renderDelivery(row: DeliveryRow): Delivery {
  return {
    id: row.id,
    eventId: row.event_id,
    type: row.type as Delivery['type'],
    state: row.state,
    payload: JSON.parse(row.payload),
    attempts: attemptsOf(row),
    ...(row.state === 'pending' && { nextAttemptAt: rfc3339(row.next_at) }),
    createdAt: rfc3339(row.created_at),
  };
}

function noSuchDelivery(): AppError {
  return new AppError('not_found', { detail: 'There is no such delivery.' });
}

// The devices of a viewer: listed, and removed to make room. What plays on a removed device ends within seconds.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import type { ViewerDevices } from '../../shared/play-api.ts';
import { requires } from '../http/auth.ts';
import type { AppEnv } from '../http/context.ts';
import { mayActFor } from '../http/may-act-for.ts';
import { devicesOf, removeDevices, renderDevice } from './device-store.ts';
import { noteRevoked } from './revocations.ts';

export function deviceRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.get('/v1/viewers/:id/devices', requires('uploader', 'viewer'), async (c) => {
    const devices = await devicesOf(c.env.DB, viewerKeyOf(c, c.req.param('id')));
    return c.json({ devices: devices.map(renderDevice) } satisfies ViewerDevices);
  });

  app.delete('/v1/viewers/:id/devices', requires('uploader', 'viewer'), async (c) => {
    await remove(c, c.req.param('id'));
    return c.body(null, 204);
  });

  app.delete('/v1/viewers/:id/devices/:deviceId', requires('uploader', 'viewer'), async (c) => {
    const removed = await remove(c, c.req.param('id'), c.req.param('deviceId'));
    if (removed === 0) throw new AppError('not_found', { detail: 'There is no such device.' });
    return c.body(null, 204);
  });

  return app;
}

async function remove(c: Context<AppEnv>, viewerId: string, deviceId?: string): Promise<number> {
  const { removed, revokedIds } = await removeDevices(c.env.DB, viewerKeyOf(c, viewerId), deviceId);
  const nowMs = Date.now();
  for (const id of revokedIds) noteRevoked(id, nowMs);
  return removed;
}

function viewerKeyOf(c: Context<AppEnv>, viewerId: string): { ownerId: string; viewerId: string } {
  const { caller } = c.var;
  if (!mayActFor(caller, viewerId)) {
    throw new AppError('not_found', { detail: 'There is no such viewer.' });
  }
  return { ownerId: caller.ownerId, viewerId };
}

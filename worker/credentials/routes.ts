// /v1/api-keys: credentials for servers. Admins only; a key is shown once.
import { type Context, Hono } from 'hono';
import { CreateApiKey } from '../../shared/api-keys.ts';
import { AppError } from '../../shared/errors.ts';
import { apiKeyId, findApiKey, insertApiKey, listApiKeys, revokeApiKey } from '../http/api-keys.ts';
import { requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { idempotent, newId } from '../http/idempotency.ts';

export function apiKeyRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const isAdmin = requires('admin');

  app.post('/v1/api-keys', isAdmin, idempotent(refuseSecondSight), async (c) => {
    const { name, role } = await jsonBody(c, CreateApiKey);
    const created = await insertApiKey(c.env.DB, {
      id: apiKeyId(newId(c)),
      ownerId: c.var.caller.ownerId,
      name,
      role,
    });
    c.var.log.info('api_key.created', { apiKeyId: created.id, role });
    return c.json(created, 201, { 'Cache-Control': 'no-store', Location: `/v1/api-keys/${created.id}` });
  });

  app.get('/v1/api-keys', isAdmin, async (c) =>
    c.json({ apiKeys: await listApiKeys(c.env.DB, c.var.caller.ownerId) }),
  );

  app.get('/v1/api-keys/:id', isAdmin, async (c) => {
    const key = await findApiKey(c.env.DB, c.var.caller.ownerId, c.req.param('id'));
    if (!key) throw noSuchKey();
    return c.json(key);
  });

  app.delete('/v1/api-keys/:id', isAdmin, async (c) => {
    const id = c.req.param('id');
    if (!(await revokeApiKey(c.env.DB, c.var.caller.ownerId, id))) throw noSuchKey();
    c.var.log.info('api_key.revoked', { apiKeyId: id });
    return c.body(null, 204);
  });

  return app;
}

/** The key was in the first answer and is nowhere since. */
async function refuseSecondSight(c: Context<AppEnv>, resourceId: string): Promise<never> {
  const id = apiKeyId(resourceId);
  if (!(await findApiKey(c.env.DB, c.var.caller.ownerId, id))) throw noSuchKey();
  throw new AppError('already_shown', {
    detail: 'The API key was shown when it was made. If it is lost, delete it and make another.',
    extra: { id },
  });
}

function noSuchKey(): AppError {
  return new AppError('not_found', { detail: 'There is no such API key.' });
}

// /v1/migrations: libraries under conversion, and what their migrator tells of each item.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import {
  AttemptQuery,
  CreateMigration,
  ItemReport,
  type MigrationItemList,
  MigrationItemPage,
  type MigrationList,
  MigrationPage,
  RegisterItems,
  type StrayVideos,
} from '../../shared/migration-api.ts';
import { requires } from '../http/auth.ts';
import { jsonBody, validated } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { repeatable } from '../http/idempotency.ts';
import { drainOutbox } from '../jobs/outbox.ts';
import { reportItem } from './report-item.ts';
import {
  createMigration,
  itemOf,
  listItems,
  listMigrations,
  madeBy,
  migrationOf,
  registerItems,
  strayVideos,
} from './store.ts';

export function migrationRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const mayManage = requires('uploader');

  // The name makes it the same migration every time, so a repetition needs no memory.
  app.post('/v1/migrations', mayManage, repeatable, async (c) => {
    const { name } = await jsonBody(c, CreateMigration);
    const { ownerId } = c.var.caller;
    const created = await createMigration(c.env.DB, { id: crypto.randomUUID(), ownerId, name });
    if (created.isNew) c.var.log.info('migration.created', { migrationId: created.migration.id });
    const headers = { Location: `/v1/migrations/${created.migration.id}` };
    return c.json(created.migration, created.isNew ? 201 : 200, headers);
  });

  app.get('/v1/migrations', mayManage, async (c) => {
    const { limit, cursor } = validated(MigrationPage, c.req.query());
    // One more than asked tells whether there is a next page.
    const rows = await listMigrations(c.env.DB, c.var.caller.ownerId, cursor, limit + 1);
    const migrations = rows.slice(0, limit);
    const nextCursor = rows.length > limit ? migrations.at(-1)?.id : undefined;
    const list: MigrationList = { migrations, ...(nextCursor !== undefined && { nextCursor }) };
    return c.json(list);
  });

  app.get('/v1/migrations/:id', mayManage, async (c) => c.json(await ownMigration(c)));

  app.get('/v1/migrations/:id/items', mayManage, async (c) => {
    const { limit, cursor, state } = validated(MigrationItemPage, c.req.query());
    const { id } = await ownMigration(c);
    const filter = { state, after: cursor, limit: limit + 1 };
    const rows = await listItems(c.env.DB, { ...ownerOf(c), migrationId: id }, filter);
    const items = rows.slice(0, limit);
    const nextCursor = rows.length > limit ? items.at(-1)?.key : undefined;
    const list: MigrationItemList = { items, ...(nextCursor !== undefined && { nextCursor }) };
    return c.json(list);
  });

  app.get('/v1/migrations/:id/strays', mayManage, async (c) => {
    const { id } = await ownMigration(c);
    const strays = await strayVideos(c.env.DB, { ...ownerOf(c), migrationId: id }, MAX_STRAYS);
    return c.json(strays satisfies StrayVideos);
  });

  app.put('/v1/migrations/:id/items', mayManage, async (c) => {
    const { items, again } = await jsonBody(c, RegisterItems, MAX_REGISTER_BYTES);
    const { id } = await ownMigration(c);
    const owner = { ...ownerOf(c), migrationId: id };
    const list: MigrationItemList = { items: await registerItems(c.env.DB, owner, items, again) };
    return c.json(list);
  });

  app.get('/v1/migrations/:id/items/:key', mayManage, async (c) => c.json(await itemOf(...oneItem(c))));

  app.put('/v1/migrations/:id/items/:key', mayManage, async (c) => {
    const report = await jsonBody(c, ItemReport);
    const [db, owner, key] = oneItem(c);
    const item = await reportItem(db, owner, key, report);
    c.var.log.info('migration.item', { migrationId: owner.migrationId, item: key, state: item.state });
    c.executionCtx.waitUntil(drainOutbox(c.env, c.var.log));
    return c.json(item);
  });

  app.get('/v1/migrations/:id/items/:key/made', mayManage, async (c) => {
    const { attempt } = validated(AttemptQuery, c.req.query());
    const [db, owner, key] = oneItem(c);
    const made = await madeBy(db, owner.ownerId, key, attempt);
    if (!made) throw new AppError('not_found', { detail: 'This attempt has made no video.' });
    return c.json(made);
  });

  return app;
}

const MAX_STRAYS = 1000;
const MAX_REGISTER_BYTES = 1024 * 1024;

function ownMigration(c: Context<AppEnv, '/v1/migrations/:id'>) {
  return migrationOf(c.env.DB, c.var.caller.ownerId, c.req.param('id'));
}

function ownerOf(c: Context<AppEnv>): { ownerId: string } {
  return { ownerId: c.var.caller.ownerId };
}

function oneItem(
  c: Context<AppEnv, '/v1/migrations/:id/items/:key'>,
): [D1Database, { ownerId: string; migrationId: string }, string] {
  return [c.env.DB, { ...ownerOf(c), migrationId: c.req.param('id') }, c.req.param('key')];
}

// /v1/legacy/sources: where the MP4s of titles lie that no template finds.
import { Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { checkImportUrl } from '../../shared/import-url.ts';
import { type LegacySource, RegisterSources } from '../../shared/legacy-source-api.ts';
import { MIB } from '../../shared/limits.ts';
import { isOwnKey } from '../../shared/object-keys.ts';
import type { Config } from '../env.ts';
import { requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv, Caller } from '../http/context.ts';
import { forgetSource, listSources, registerSources, type SourceRow } from './source-store.ts';

const PAGE_ROWS = 1000;

export function legacySourceRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.put('/v1/legacy/sources', requires('uploader'), async (c) => {
    const { config, caller } = c.var;
    const { sources } = await jsonBody(c, RegisterSources, 2 * MIB);
    const checked = sources.map((source) => checkedSource(source, config, caller));
    await registerSources(c.env.DB, caller.ownerId, checked);
    return c.json({ registered: checked.length });
  });

  app.get('/v1/legacy/sources', requires('uploader'), async (c) => {
    const [kind = '', contentId = ''] = (c.req.query('cursor') ?? '').split('/');
    const rows = await listSources(c.env.DB, c.var.caller.ownerId, [kind, contentId], PAGE_ROWS + 1);
    const page = rows.slice(0, PAGE_ROWS);
    const last = page.at(-1);
    const nextCursor = rows.length > PAGE_ROWS && last ? `${last.kind}/${last.content_id}` : undefined;
    return c.json({ sources: page.map(renderSource), ...(nextCursor !== undefined && { nextCursor }) });
  });

  app.delete('/v1/legacy/sources/:kind/:contentId', requires('uploader'), async (c) => {
    const { kind, contentId } = c.req.param();
    const isForgotten = await forgetSource(c.env.DB, c.var.caller.ownerId, kind, contentId);
    if (!isForgotten) throw new AppError('not_found', { detail: 'No source is registered for this title.' });
    return c.body(null, 204);
  });

  return app;
}

/** The same rules as for an import, which it leads to. */
function checkedSource(source: LegacySource, config: Config, caller: Caller): LegacySource {
  if (source.url !== undefined) {
    const allowLoopback = config.IMPORT_ALLOW_LOOPBACK === 'on';
    return { ...source, url: checkImportUrl(source.url, { ports: config.IMPORT_PORTS, allowLoopback }).href };
  }
  if (caller.role !== 'admin') {
    throw new AppError('forbidden', { detail: 'Only an admin may name keys of the bucket.' });
  }
  if (isOwnKey(source.bucketKey ?? '')) {
    throw new AppError('forbidden', { detail: 'Keys of this system itself cannot be imported.' });
  }
  return source;
}

function renderSource({ kind, content_id, bucket_key, url }: SourceRow) {
  return {
    kind,
    contentId: content_id,
    ...(bucket_key !== null && { bucketKey: bucket_key }),
    ...(url !== null && { url: withoutSecrets(url) }),
  };
}

function withoutSecrets(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

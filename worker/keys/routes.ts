// POST /internal/keys: content keys for the transcoder that holds a task of a protected job. Never in a claim.
import { Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { type IssuedKeys, KeyRequest } from '../../shared/messages.ts';
import { toBase64Url } from '../../shared/sign.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import type { HeldTask } from '../jobs/guard.ts';
import { heldTask } from '../jobs/internal-routes.ts';
import { requireKeks } from './offer.ts';
import { issueKeys, type Scheme } from './store.ts';

export function keyRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.post('/internal/keys', async (c) => {
    const held = await heldTask(c);
    const { numbers } = await jsonBody(c, KeyRequest);
    const scheme = await schemeOfTask(c.env.DB, held);
    const keks = requireKeks(c.var.config);
    const issued = await issueKeys(c.env.DB, keks, { jobId: held.jobId, scheme }, numbers);
    c.var.log.info('keys.issued', { ...held, numbers });
    const keys = issued.map(({ n, keyId, key }) => ({ n, keyId, key: toBase64Url(key) }));
    c.header('Cache-Control', 'no-store');
    return c.json({ keys } satisfies IssuedKeys);
  });
  return app;
}

/** @throws AppError `lease_lost`; `protection_not_available` for a job that is not protected */
async function schemeOfTask(db: D1Database, { jobId, task, epoch }: HeldTask): Promise<Scheme> {
  const job = await db
    .prepare(
      `SELECT j.options ->> '$.protection' AS protection FROM tasks t JOIN jobs j ON j.id = t.job_id
       WHERE t.job_id = ? AND t.name = ? AND t.epoch = ? AND t.state = 'running'`,
    )
    .bind(jobId, task, epoch)
    .first<{ protection: string | null }>();
  if (!job) throw new AppError('lease_lost');
  if (job.protection !== 'aes-128' && job.protection !== 'cenc') {
    throw new AppError('protection_not_available', { detail: 'This job makes nothing that is protected.' });
  }
  return job.protection;
}

// POST /v1/imports, and what a transcoder tells about the import it holds.
import { type Context, Hono } from 'hono';
import { type CreatedImport, CreateImport } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import { ImportBegin, ImportReport } from '../../shared/messages.ts';
import { requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { holdsCreationRate } from '../http/creation-rate.ts';
import { idempotent, newId } from '../http/idempotency.ts';
import { afterTransition, heldTask } from '../jobs/internal-routes.ts';
import { drainOutbox } from '../jobs/outbox.ts';
import { announceJob } from '../jobs/room-client.ts';
import { jobOf } from '../jobs/store.ts';
import { acceptImport } from './accept-import.ts';
import { beginImport } from './begin-import.ts';
import { createImport } from './create-import.ts';

export function importRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.post('/v1/imports', requires('uploader'), idempotent(createdAgain), holdsCreationRate, async (c) => {
    const { config, caller, log } = c.var;
    const created = await createImport(c.env, config, caller, await jsonBody(c, CreateImport), newId(c));
    log.info('import.created', { ...created });
    c.executionCtx.waitUntil(drainOutbox(c.env, log));
    return createdAnswer(c, created);
  });

  app.post('/internal/import/begin', async (c) => {
    const held = await heldTask(c);
    const file = await jsonBody(c, ImportBegin);
    const target = await beginImport(c.env, c.var.config, held, file);
    c.var.log.info('import.begun', { ...held, sizeBytes: file.sizeBytes });
    // Bytes are a percentage only to those who know of how many.
    c.executionCtx.waitUntil(announceJob(c.env, held.jobId, c.var.log));
    return c.json(target);
  });

  app.post('/internal/imported', async (c) => {
    const held = await heldTask(c);
    const { sizeBytes } = await jsonBody(c, ImportReport);
    await acceptImport(c.env, c.var.config, held, sizeBytes, c.var.log);
    afterTransition(c, held, 'import.ended', { sizeBytes });
    return c.json({});
  });

  return app;
}

/** For a repetition with the same Idempotency-Key, whose job has the id of the first. */
async function createdAgain(c: Context<AppEnv>, jobId: string): Promise<Response> {
  const job = await jobOf(c.env.DB, jobId, c.var.caller.ownerId);
  if (!job) throw new AppError('not_found', { detail: 'There is no such job.' });
  return createdAnswer(c, { videoId: job.video_id, jobId });
}

function createdAnswer(c: Context<AppEnv>, created: CreatedImport): Response {
  return c.json(created, 202, { Location: `/v1/jobs/${created.jobId}` });
}

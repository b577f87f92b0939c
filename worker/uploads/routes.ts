// /v1/uploads: three ways to hand over one file.
import { type Context, Hono } from 'hono';
import {
  CompleteUpload,
  type CreatedUpload,
  CreateUpload,
  PartEtag,
  PartNumbers,
  type UploadStatus,
} from '../../shared/api.ts';
import { MIB } from '../../shared/limits.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import { requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { holdsCreationRate } from '../http/creation-rate.ts';
import { idempotent, newId, repeatable } from '../http/idempotency.ts';
import { drainOutbox } from '../jobs/outbox.ts';
import { abortUpload } from './abort.ts';
import { completeUpload } from './complete.ts';
import { createUpload, renderCreated } from './create.ts';
import { listedParts } from './listed-parts.ts';
import { putContent, putPart, reportPart } from './parts.ts';
import { presignParts } from './presign.ts';
import { isOpen, type PartRow, partsOf, prolong, requireOpen, type UploadRow, uploadOf } from './store.ts';
import { heldBytesOf } from './tus-object.ts';

/** Room for 10,000 parts with S3's etags. One bound parameter takes them to D1, which is 2 MB at most. */
const MAX_COMPLETE_BYTES = MIB;

export function uploadRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const mayUpload = requires('uploader');

  app.post('/v1/uploads', mayUpload, idempotent(createdAgain), holdsCreationRate, async (c) => {
    const { config, caller, log } = c.var;
    const created = await createUpload(c.env, config, caller, await jsonBody(c, CreateUpload), newId(c));
    log.info('upload.created', { uploadId: created.uploadId, method: created.method });
    return createdAnswer(c, created);
  });

  app.get('/v1/uploads/:id', mayUpload, async (c) => {
    const upload = await uploadOf(c.env.DB, c.req.param('id'), c.var.caller.ownerId);
    const parts = (await listedParts(c.var.config, upload)) ?? (await partsOf(c.env.DB, upload.id));
    const status = renderStatus(upload, parts);
    // Of tus, the ledger knows the parts; its object holds bytes besides.
    const isTusOpen = upload.method === 'tus' && isOpen(upload);
    return c.json(isTusOpen ? { ...status, receivedBytes: await heldBytesOf(c.env, upload.id) } : status);
  });

  app.put('/v1/uploads/:id/content', mayUpload, async (c) => {
    const { config, caller, log } = c.var;
    const upload = await uploadOf(c.env.DB, c.req.param('id'), caller.ownerId);
    await toItsEnd(c, putContent(c.env, config, upload, c.req.raw, log));
    return c.body(null, 204);
  });

  app.post('/v1/uploads/:id/parts', mayUpload, repeatable, async (c) => {
    const upload = await uploadOf(c.env.DB, c.req.param('id'), c.var.caller.ownerId);
    requireOpen(upload);
    const { numbers } = await jsonBody(c, PartNumbers);
    const parts = await presignParts(c.var.config, upload, numbers);
    // Where storage lists the parts nobody reports them: whoever asks for URLs is at it.
    await prolong(c.env.DB, upload);
    return c.json({ parts });
  });

  app.put('/v1/uploads/:id/parts/:number', mayUpload, async (c) => {
    const upload = await uploadOf(c.env.DB, c.req.param('id'), c.var.caller.ownerId);
    const number = numberOf(c.req.param('number'));
    const part = await toItsEnd(c, putPart(c.env, c.var.config, upload, number, c.req.raw));
    return c.json(part, 200, { ETag: `"${part.etag}"` });
  });

  app.put('/v1/uploads/:id/parts/:number/etag', mayUpload, async (c) => {
    const upload = await uploadOf(c.env.DB, c.req.param('id'), c.var.caller.ownerId);
    const { etag } = await jsonBody(c, PartEtag);
    await reportPart(c.env, upload, numberOf(c.req.param('number')), etag);
    return c.body(null, 204);
  });

  app.post('/v1/uploads/:id/complete', mayUpload, repeatable, async (c) => {
    const { config, caller, log } = c.var;
    const input = await jsonBody(c, CompleteUpload, MAX_COMPLETE_BYTES);
    const upload = await uploadOf(c.env.DB, c.req.param('id'), caller.ownerId);
    const completed = await completeUpload(c.env, config, upload, input, log);
    c.executionCtx.waitUntil(drainOutbox(c.env, log));
    return c.json(completed);
  });

  app.delete('/v1/uploads/:id', mayUpload, async (c) => {
    const upload = await uploadOf(c.env.DB, c.req.param('id'), c.var.caller.ownerId);
    await abortUpload(c.env, upload, c.var.log);
    return c.body(null, 204);
  });

  return app;
}

/** A client that goes away ends its request: what was claimed for it is given back all the same. */
function toItsEnd<T>(c: Context<AppEnv>, work: Promise<T>): Promise<T> {
  c.executionCtx.waitUntil(work.catch(() => undefined));
  return work;
}

async function createdAgain(c: Context<AppEnv>, uploadId: string): Promise<Response> {
  const upload = await uploadOf(c.env.DB, uploadId, c.var.caller.ownerId);
  return createdAnswer(c, await renderCreated(c.var.config, upload));
}

function createdAnswer(c: Context<AppEnv>, created: CreatedUpload): Response {
  return c.json(created, 201, { Location: `/v1/uploads/${created.uploadId}` });
}

/** NaN for anything but digits; the range is checked where the upload is known. */
function numberOf(text: string): number {
  return /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
}

function renderStatus(upload: UploadRow, parts: PartRow[]): UploadStatus {
  return {
    uploadId: upload.id,
    videoId: upload.video_id,
    method: upload.method,
    state: upload.state,
    sizeBytes: upload.size_bytes,
    receivedBytes: parts.reduce((sum, part) => sum + part.size_bytes, 0),
    partSizeBytes: upload.part_bytes,
    partCount: upload.part_count,
    parts: parts.map(({ number, etag, size_bytes }) => ({ number, etag, sizeBytes: size_bytes })),
    expiresAt: rfc3339(upload.expires_at),
  };
}

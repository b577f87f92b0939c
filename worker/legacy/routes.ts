// /api/v1/video/*: the API that existing clients call. It leads to the same uploads, imports and jobs as /v1.
import type { Context } from 'hono';
import { Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import {
  LEGACY_CONVERT_PATH,
  LEGACY_STATUS_PATH,
  LEGACY_UPLOAD_PATH,
  legacyAccepted,
  WholeForm,
} from '../../shared/legacy-api.ts';
import { receiveForm } from '../../shared/legacy-form.ts';
import { toHex } from '../../shared/sign.ts';
import { authenticate, requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { holdsCreationRate } from '../http/creation-rate.ts';
import { renderError } from '../http/errors.ts';
import { drainOutbox } from '../jobs/outbox.ts';
import { liveProgress } from '../jobs/room-client.ts';
import { type JobRow, jobById, jobOf } from '../jobs/store.ts';
import { uploadOf } from '../uploads/store.ts';
import { convertExisting } from './convert.ts';
import { withFormMemory } from './form-memory.ts';
import { FormUpload } from './form-upload.ts';
import { withForm } from './incoming-form.ts';
import { settleForm } from './settle-form.ts';
import { legacyStatus, legacyVideoOf } from './status.ts';

export function legacyRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.onError(renderLegacyError);

  app.post(LEGACY_UPLOAD_PATH, authenticate, requires('uploader'), holdsCreationRate, async (c) => {
    const work = takeForm(c);
    // A client that goes away ends its request: what was stored for it is given back all the same.
    c.executionCtx.waitUntil(work.catch(() => undefined));
    const { jobId, isReplayed } = await work;
    return acceptedAnswer(c, jobId, isReplayed, 'Video uploaded; processing has begun');
  });

  app.post(LEGACY_CONVERT_PATH, authenticate, requires('uploader'), holdsCreationRate, async (c) => {
    const { jobId, isReplayed } = await convertExisting(c);
    return acceptedAnswer(c, jobId, isReplayed, 'Video found; processing has begun');
  });

  app.get(`${LEGACY_STATUS_PATH}/:id`, async (c) => {
    const row = await jobToShow(c, c.req.param('id'));
    const video = await legacyVideoOf(c.env.DB, row.video_id);
    const live = await liveProgress(c.env, row, c.var.log);
    const { origin } = new URL(c.req.url);
    return c.json(await legacyStatus(c.env, row, video, live, origin), 200, { 'Cache-Control': 'no-store' });
  });

  return app;
}

/** PUT /v1/uploads/:id/form: what a form that was taken in elsewhere turned out to be. */
export function wholeFormRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.put('/v1/uploads/:id/form', requires('uploader'), async (c) => {
    const form = await jsonBody(c, WholeForm);
    const upload = await uploadOf(c.env.DB, c.req.param('id'), c.var.caller.ownerId);
    await settleForm(c.env, c.var.config, upload, form);
    return c.body(null, 204);
  });
  return app;
}

async function takeForm(c: Context<AppEnv>): Promise<{ jobId: string; isReplayed: boolean }> {
  const limits = { maxBytes: c.var.config.EDGE_BODY_LIMIT_BYTES, tooLarge: () => tooLargeForEdge(c) };
  const digest = new crypto.DigestStream('SHA-256');
  const writer = digest.getWriter();
  const hash = {
    add: (bytes: Uint8Array) => writer.write(bytes),
    hex: async () => {
      await writer.close();
      return toHex(await digest.digest);
    },
  };
  const upload = new FormUpload(c);
  return withForm(c, async (form) => {
    const formBytes = Math.min(form.contentLengthBytes ?? limits.maxBytes, limits.maxBytes);
    try {
      const { jobId } = await withFormMemory(formBytes, () => receiveForm(form, limits, upload, hash));
      return { jobId, isReplayed: upload.isReplayed };
    } catch (error) {
      await upload.abandon(error);
      throw error;
    }
  });
}

function tooLargeForEdge(c: Context<AppEnv>): AppError {
  const { EDGE_BODY_LIMIT_BYTES } = c.var.config;
  return new AppError('upload_too_large_for_edge', {
    detail:
      `A form may have ${EDGE_BODY_LIMIT_BYTES} bytes here. For a larger file either send the same form to a host ` +
      'that runs the ingest mode of the container image, or upload it in parts: npx reelay upload, POST /v1/uploads or /v1/tus.',
    extra: { limitBytes: EDGE_BODY_LIMIT_BYTES },
  });
}

function acceptedAnswer(c: Context<AppEnv>, jobId: string, isReplayed: boolean, message: string): Response {
  c.executionCtx.waitUntil(drainOutbox(c.env, c.var.log));
  return c.json(legacyAccepted(jobId, message), 200, isReplayed ? { 'Idempotency-Replayed': 'true' } : {});
}

/** Whoever knows a job's random id may ask, unless the deployment says otherwise. */
async function jobToShow(c: Context<AppEnv>, jobId: string): Promise<JobRow> {
  const isOpen = c.var.config.LEGACY_STATUS_AUTH === 'none';
  if (!isOpen) await authenticate(c, async () => undefined);
  const row = await (isOpen ? jobById(c.env.DB, jobId) : jobOf(c.env.DB, jobId, c.var.caller.ownerId));
  if (!row) throw new AppError('not_found', { detail: 'There is no such job.' });
  return row;
}

/** The same problem as everywhere, with the two members that clients of this API look at. */
async function renderLegacyError(error: unknown, c: Context<AppEnv>): Promise<Response> {
  const response = renderError(error, c);
  const problem = (await response.json()) as { detail: string };
  return new Response(JSON.stringify({ success: false, message: problem.detail, ...problem }), response);
}

// /v1/tus: tus 1.0 for clients that speak it. https://tus.io/protocols/resumable-upload
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { SECOND_MS } from '../../shared/limits.ts';
import { requires } from '../http/auth.ts';
import type { AppEnv } from '../http/context.ts';
import { holdsCreationRate } from '../http/creation-rate.ts';
import { idempotent, newId } from '../http/idempotency.ts';
import { drainOutbox } from '../jobs/outbox.ts';
import { abortUpload } from './abort.ts';
import { createUpload } from './create.ts';
import { type UploadRow, uploadOf } from './store.ts';
import { readChunk, readCreation, sizeExceeded, type TusChunk } from './tus-headers.ts';
import { lengthOf } from './tus-length.ts';
import { readMetadata } from './tus-metadata.ts';
import {
  acceptedState,
  appendTo,
  offsetConflict,
  requireTusOpen,
  stateOf,
  type TusState,
} from './tus-object.ts';
import { methodOf } from './tus-wire.ts';

export function tusRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const mayUpload = requires('uploader');

  app.all('/v1/tus', mayUpload, idempotent(createdAgain), holdsCreationRate, (c) => {
    if (methodOf(c) === 'POST') return create(c);
    throw new AppError('method_not_allowed', { headers: { Allow: 'OPTIONS, POST' } });
  });

  app.all('/v1/tus/:id', mayUpload, async (c) => {
    const method = methodOf(c);
    const act = ACTS[method];
    if (!act)
      throw new AppError('method_not_allowed', { headers: { Allow: 'OPTIONS, HEAD, PATCH, DELETE' } });
    return act(c, c.req.param('id'));
  });

  return app;
}

type TusContext = Context<AppEnv>;

const ACTS: Record<string, (c: TusContext, id: string) => Promise<Response>> = {
  HEAD: head,
  PATCH: patch,
  DELETE: terminate,
};

async function create(c: TusContext): Promise<Response> {
  const { config, caller, log } = c.var;
  const { body, headers } = c.req.raw;
  const { lengthBytes, metadata, chunk } = readCreation(headers, body !== null, config.EDGE_BODY_LIMIT_BYTES);
  const file = readMetadata(metadata);
  const uploadId = newId(c);
  const tus = { isLengthDeferred: lengthBytes === null, metadata };
  const newFile = { ...file, method: 'tus' as const, sizeBytes: lengthBytes ?? 0, tus };
  await createUpload(c.env, config, caller, newFile, uploadId);
  log.info('upload.created', { uploadId, method: 'tus' });
  const upload = await uploadOf(c.env.DB, uploadId, caller.ownerId);
  c.header('Location', pathOf(upload));
  if (!chunk) return answer(c, 201, upload);
  return answer(c, 201, upload, await firstBytes(c, upload, chunk));
}

/** For an Idempotency-Key: where the upload is, and how far it is by now. */
async function createdAgain(c: TusContext, uploadId: string): Promise<Response> {
  const upload = await tusUploadOf(c, uploadId);
  c.header('Location', pathOf(upload));
  return answer(c, 201, upload, await currentState(c, upload));
}

function pathOf({ id }: UploadRow): string {
  return `/v1/tus/${id}`;
}

/** Creation with upload. A client that hears of an error does not hear where its upload is. */
async function firstBytes(c: TusContext, upload: UploadRow, chunk: TusChunk): Promise<TusState> {
  try {
    return await appendTo(c.env, upload, chunk, c.req.raw.body);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    // Ours to mend: the upload is there and the client goes on from what is held.
    if (error.status >= 500) return stateOf(c.env, upload);
    const now = await uploadOf(c.env.DB, upload.id, upload.owner_id);
    if (now.state === 'created' || now.state === 'receiving') await abortUpload(c.env, now, c.var.log);
    throw error;
  }
}

async function head(c: TusContext, id: string): Promise<Response> {
  const upload = await tusUploadOf(c, id);
  c.header('Cache-Control', 'no-store');
  if (upload.tus_metadata !== null) c.header('Upload-Metadata', upload.tus_metadata);
  const state = await currentState(c, upload);
  if (state.lengthBytes === null) c.header('Upload-Defer-Length', '1');
  else c.header('Upload-Length', String(state.lengthBytes));
  return answer(c, 200, upload, state);
}

async function patch(c: TusContext, id: string): Promise<Response> {
  const { body, headers } = c.req.raw;
  const chunk = readChunk(headers, c.var.config.EDGE_BODY_LIMIT_BYTES);
  const upload = await tusUploadOf(c, id);
  if (upload.state !== 'accepted' && upload.state !== 'completing') {
    requireTusOpen(upload);
    return answer(c, 204, upload, await appendTo(c.env, upload, chunk, body));
  }
  // All is here: a client that missed the answer to its last PATCH hears it again, and nothing can be added.
  if (chunk.offset !== upload.size_bytes) throw offsetConflict(upload.size_bytes);
  lengthOf(upload, chunk);
  if (chunk.contentLengthBytes !== 0) throw sizeExceeded(0);
  return answer(c, 204, upload, await currentState(c, upload));
}

async function terminate(c: TusContext, id: string): Promise<Response> {
  const upload = await tusUploadOf(c, id);
  if (upload.state === 'aborted') throw new AppError('upload_terminated');
  await abortUpload(c.env, upload, c.var.log);
  return c.body(null, 204);
}

/** @throws AppError `not_found`, also for an upload of another method. */
async function tusUploadOf(c: TusContext, id: string): Promise<UploadRow> {
  const upload = await uploadOf(c.env.DB, id, c.var.caller.ownerId);
  if (upload.method !== 'tus') throw new AppError('not_found', { detail: 'There is no such upload.' });
  return upload;
}

/** An accepted upload is a row and nothing more; of one that still lives, its object knows. */
async function currentState(c: TusContext, upload: UploadRow): Promise<TusState> {
  if (upload.state === 'accepted') return acceptedState(upload);
  if (upload.state !== 'completing') requireTusOpen(upload);
  return stateOf(c.env, upload);
}

/** What every good answer says; a job's id once all bytes are there. */
function answer(c: TusContext, status: 200 | 201 | 204, upload: UploadRow, state?: TusState): Response {
  c.header('Reelay-Upload-Id', upload.id);
  c.header('Reelay-Video-Id', upload.video_id);
  if (state) c.header('Upload-Offset', String(state.offset));
  if (state?.jobId === undefined) {
    const expiresAt = state?.expiresAt ?? upload.expires_at;
    c.header('Upload-Expires', new Date(expiresAt * SECOND_MS).toUTCString());
  } else {
    c.header('Reelay-Job-Id', state.jobId);
    // Told again and again, it is sent once: the outbox is empty by then.
    c.executionCtx.waitUntil(drainOutbox(c.env, c.var.log));
  }
  return c.body(null, status);
}

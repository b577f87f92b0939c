// POST upload-hls-video: reads the form and relays its file with the caller's credential.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { AppError } from '../../shared/errors.ts';
import { legacyAccepted } from '../../shared/legacy-api.ts';
import { receiveForm } from '../../shared/legacy-form.ts';
import type { Log } from '../../shared/log.ts';
import { createApiClient } from '../cli/api-client.ts';
import type { IngestEnv } from './env.ts';
import type { Answer } from './failures.ts';
import { FormRelay } from './form-relay.ts';
import type { Piece } from './request-body.ts';

/** @throws AppError, or the ApiFailure of a refusal */
export async function takeForm(
  { headers }: IncomingMessage,
  pieces: Piece,
  env: IngestEnv,
  log: Log,
): Promise<Answer> {
  const token = /^Bearer +([^\s]+)$/i.exec(headers.authorization ?? '')?.[1];
  if (!token) {
    throw new AppError('unauthorized', { detail: 'Send Authorization: Bearer with a token or an API key.' });
  }
  const key = keyOf(headers['idempotency-key']);
  const { signal } = pieces;
  const relay = new FormRelay(createApiClient(env.REELAY_URL, token), { key, signal, log });
  const hash = createHash('sha256');
  const length = headers['content-length'];
  const form = {
    contentType: headers['content-type'],
    contentLengthBytes: length === undefined ? undefined : Number(length),
    next: pieces.next,
  };
  const limits = { maxBytes: env.INGEST_MAX_BYTES, tooLarge: () => tooLarge(env) };
  const digest = { add: (bytes: Uint8Array) => void hash.update(bytes), hex: () => hash.digest('hex') };
  try {
    const { jobId } = await receiveForm(form, limits, relay, digest);
    log.info('form.accepted', { jobId });
    const replayed: Record<string, string> = relay.isReplayed ? { 'idempotency-replayed': 'true' } : {};
    const accepted = legacyAccepted(jobId, 'Video uploaded; processing has begun');
    return {
      status: 200,
      headers: { 'content-type': 'application/json', ...replayed },
      body: JSON.stringify(accepted),
    };
  } catch (error) {
    await relay.abandon();
    throw error;
  }
}

function keyOf(header: string | string[] | undefined): string | undefined {
  const key = Array.isArray(header) ? header[0] : header;
  if (key === undefined || /^[\x20-\x7e]{1,255}$/.test(key)) return key;
  throw new AppError('idempotency_key_invalid', { detail: 'A key is 1 to 255 printable ASCII characters.' });
}

function tooLarge({ INGEST_MAX_BYTES }: IngestEnv): AppError {
  return new AppError('upload_too_large', { detail: `A form may have ${INGEST_MAX_BYTES} bytes here.` });
}

// The routes without a file: the Worker answers them.
import type { IncomingMessage } from 'node:http';
import { AppError } from '../../shared/errors.ts';
import { MIB, MINUTE_SECONDS, SECOND_MS } from '../../shared/limits.ts';
import type { Answer } from './failures.ts';
import type { Piece } from './request-body.ts';

const MAX_BODY_BYTES = MIB;
const REQUEST_HEADERS = ['authorization', 'content-type', 'idempotency-key'];
const ANSWER_HEADERS = [
  'content-type',
  'cache-control',
  'retry-after',
  'www-authenticate',
  'idempotency-replayed',
];

export async function handOn(request: IncomingMessage, pieces: Piece, workerUrl: string): Promise<Answer> {
  const headers = new Headers();
  for (const name of REQUEST_HEADERS) {
    const value = request.headers[name];
    if (typeof value === 'string') headers.set(name, value);
  }
  const { pathname } = new URL(request.url ?? '/', workerUrl);
  const response = await fetch(workerUrl + pathname, {
    method: request.method ?? 'GET',
    headers,
    redirect: 'manual',
    signal: AbortSignal.timeout(MINUTE_SECONDS * SECOND_MS),
    ...(request.method === 'POST' && { body: await wholeBody(pieces) }),
  });
  const answered = ANSWER_HEADERS.flatMap((name) => {
    const value = response.headers.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  return {
    status: response.status,
    headers: Object.fromEntries(answered),
    body: new Uint8Array(await response.arrayBuffer()),
  };
}

async function wholeBody(pieces: Piece): Promise<Buffer<ArrayBuffer>> {
  const held: Uint8Array[] = [];
  let sizeBytes = 0;
  for (let piece = await pieces.next(); piece !== undefined; piece = await pieces.next()) {
    sizeBytes += piece.byteLength;
    if (sizeBytes > MAX_BODY_BYTES) throw new AppError('upload_body_too_large');
    held.push(piece);
  }
  return Buffer.concat(held);
}

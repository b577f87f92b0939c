// The body of a request, piece by piece: none is read before the one before has been dealt with.
import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../shared/errors.ts';
import { SECOND_MS } from '../../shared/limits.ts';

export type Piece = {
  /** Undefined at the end. @throws AppError `form_truncated` where the client has gone */
  next: () => Promise<Uint8Array | undefined>;
  /** Lets in what still comes, for a while. Does not throw. */
  drain: () => Promise<void>;
  /** Ends with the client. */
  signal: AbortSignal;
};

const DRAIN_MS = 10 * SECOND_MS;

export function piecesOf(request: IncomingMessage): Piece {
  const iterator = request[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  const gone = new AbortController();
  let isOver = false;
  request.once('close', () => {
    if (!request.complete) gone.abort(new AppError('form_truncated', { detail: 'The client has gone.' }));
  });
  const next = async () => {
    try {
      const { value, done } = await iterator.next();
      isOver = done === true;
      return isOver ? undefined : (value as Uint8Array);
    } catch (cause) {
      isOver = true;
      throw new AppError('form_truncated', { cause });
    }
  };
  const drain = async () => {
    const timer = new AbortController();
    const tooLong = sleep(DRAIN_MS, 'too long' as const, { signal: timer.signal, ref: false }).catch(
      () => undefined,
    );
    while (!isOver) {
      const piece = await Promise.race([next().catch(() => undefined), tooLong]);
      if (piece === 'too long') request.destroy();
      if (piece === undefined || piece === 'too long') break;
    }
    timer.abort();
  };
  return { next, drain, signal: gone.signal };
}

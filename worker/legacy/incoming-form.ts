// A request's body as the reader of forms wants it, and what becomes of its rest when it is refused.
import type { Context } from 'hono';
import { AppError } from '../../shared/errors.ts';
import type { IncomingForm } from '../../shared/legacy-form.ts';
import type { AppEnv } from '../http/context.ts';
import { drainBody } from '../uploads/drain-body.ts';
import { readerOf } from '../uploads/part-body.ts';

/** Runs `work` on the body. A client that is refused may still be sending: it is heard out, to read the answer. */
export async function withForm<T>(c: Context<AppEnv>, work: (form: IncomingForm) => Promise<T>): Promise<T> {
  const { body, headers } = c.req.raw;
  const length = headers.get('Content-Length');
  const reader = body && readerOf(body as ReadableStream<Uint8Array>);
  try {
    return await work({
      contentType: headers.get('Content-Type'),
      contentLengthBytes: length !== null && /^\d+$/.test(length) ? Number(length) : undefined,
      next: async () => {
        try {
          return await reader?.next();
        } catch (cause) {
          throw new AppError('form_truncated', { cause });
        }
      },
    });
  } catch (error) {
    if (reader) await drainBody(reader);
    throw error;
  }
}

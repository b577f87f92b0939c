// What is left of a body that was refused. A client that is still sending when the connection ends may never read
// the answer that says why, so the rest is let in and dropped, for as long as it comes.
import { SECOND_MS } from '../../shared/limits.ts';

const IDLE_MS = SECOND_MS / 2;
const PATIENCE_MS = 10 * SECOND_MS;

export type Pieces = {
  /** Undefined at the end. */
  next: () => Promise<Uint8Array | undefined>;
  cancel: () => Promise<void>;
};

/** Does not throw. */
export async function drainBody({ next, cancel }: Pieces): Promise<void> {
  const startMs = Date.now();
  let lastMs = startMs;
  const isStuck = Promise.withResolvers<'stuck'>();
  const timer = setInterval(() => {
    const nowMs = Date.now();
    if (nowMs - lastMs >= IDLE_MS || nowMs - startMs >= PATIENCE_MS) isStuck.resolve('stuck');
  }, IDLE_MS / 2);
  try {
    for (;;) {
      const piece = await Promise.race([next(), isStuck.promise]);
      if (piece === undefined) return;
      if (piece === 'stuck') break;
      lastMs = Date.now();
    }
    await cancel();
  } catch {
    // The client is gone, and with it whoever would have read the answer.
  } finally {
    clearInterval(timer);
  }
}

export function piecesOf(body: ReadableStream<Uint8Array>): Pieces {
  const reader = body.getReader();
  return { next: async () => (await reader.read()).value, cancel: () => reader.cancel() };
}

// Cloudflare Queues' HTTP pull API for one machine: wrangler has push consumers only, so this one catches
// every message and offers it for pulling in production's wire format.
// https://developers.cloudflare.com/queues/configuration/pull-consumers/
//
// Gaps, against production:
// - a queue's id is its name, the account is not looked at, and one token opens every queue;
// - every body counts as `json`: a push consumer is not told the content type it was sent with;
// - messages sent while this worker is down are lost (wrangler's broker keeps nothing); the sweeper re-sends;
// - no retention limit, no rate limits, no metrics; `message_backlog_count` is exact instead of approximate;
// - an ack with a lease that has been given to someone else is counted as a warning, not specified upstream.
import { type AckRequest, PullQueue, type PullRequest } from './pull-queue.ts';

export { PullQueue };

export type QueueEnv = {
  PULL_QUEUES: DurableObjectNamespace<PullQueue>;
  QUEUE_TOKEN: string;
  MAX_RETRIES: string;
  DEAD_LETTER_QUEUE: string;
};

const ROUTE = /^\/accounts\/[^/]+\/queues\/([A-Za-z0-9_-]+)\/messages(\/pull|\/ack)?$/;

export default {
  async queue(batch, env) {
    const bodies = batch.messages.map((message) => toBase64(message.body));
    await queueNamed(env, batch.queue).push(bodies, 0);
  },

  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === '/healthz') return new Response('ok');
    const [, queue, action = ''] = ROUTE.exec(pathname) ?? [];
    if (!queue || request.method !== 'POST') return failure(404, 7003, 'Could not route to this path');
    if (request.headers.get('authorization') !== `Bearer ${env.QUEUE_TOKEN}`) {
      return failure(401, 10000, 'Authentication error');
    }
    const body = await request.json<Record<string, unknown>>().catch(() => undefined);
    if (typeof body !== 'object' || body === null)
      return failure(400, 10026, 'The body is not a JSON object');
    return perform(queueNamed(env, queue), action, body);
  },
} satisfies ExportedHandler<QueueEnv>;

async function perform(
  queue: DurableObjectStub<PullQueue>,
  action: string,
  body: Record<string, unknown>,
): Promise<Response> {
  if (action === '') {
    await queue.push([toBase64(body.body)], Number(body.delay_seconds ?? 0));
    return success({});
  }
  if (action === '/ack') return success(await queue.settle(body as AckRequest));
  const pull = pullRequestOf(body);
  return pull
    ? success(await queue.pull(pull))
    : failure(400, 10026, 'batch_size or visibility_timeout is out of range');
}

/** Production's defaults and limits: 5 of at most 100 messages, hidden for 30 s, at most 12 h. */
function pullRequestOf(body: Record<string, unknown>): PullRequest | undefined {
  const batchSize = Number(body.batch_size ?? 5);
  // The SDK says visibility_timeout_ms, the guide visibility_timeout; both are milliseconds.
  const visibilityMs = Number(body.visibility_timeout_ms ?? body.visibility_timeout ?? 30_000);
  const isSane = Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= 100;
  if (!isSane || !(visibilityMs >= 0 && visibilityMs <= 12 * 3600 * 1000)) return undefined;
  return { batchSize, visibilityMs };
}

function queueNamed(env: QueueEnv, name: string): DurableObjectStub<PullQueue> {
  return env.PULL_QUEUES.get(env.PULL_QUEUES.idFromName(name));
}

/** `json` bodies travel as base64 of the JSON text. */
function toBase64(body: unknown): string {
  const bytes = new TextEncoder().encode(JSON.stringify(body ?? null));
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

function success(result: unknown): Response {
  return Response.json({ success: true, errors: [], messages: [], result });
}

function failure(status: number, code: number, message: string): Response {
  return Response.json(
    { success: false, errors: [{ code, message }], messages: [], result: null },
    { status },
  );
}

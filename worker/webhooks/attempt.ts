// One attempt: sign, send, see what the receiver says. Knows nothing of rows.
import { AppError } from '../../shared/errors.ts';
import type { SigningKeys } from '../../shared/sign.ts';
import { webhookHeaders } from '../../shared/standard-webhooks.ts';
import { checkWebhookUrl } from '../../shared/webhook-url.ts';
import { retryAfterOf } from './schedule.ts';
import { isLive, type StoredSecrets, unwrapSecret } from './secrets.ts';

export type Outgoing = {
  endpointId: string;
  url: string;
  secrets: StoredSecrets;
  eventId: string;
  payload: string;
};

export type AttemptSettings = { keys: SigningKeys; allowLoopback: boolean; timeoutSeconds: number };

export type Outcome = {
  isDelivered: boolean;
  durationMs: number;
  statusCode?: number;
  /** In our own words: what a receiver answers is not repeated to anybody. */
  error?: string;
  retryAfterSeconds?: number | undefined;
};

const GONE = 410;

export function isGone({ statusCode }: Outcome): boolean {
  return statusCode === GONE;
}

/** Does not throw for what the receiver or the network does. */
export async function attemptDelivery(outgoing: Outgoing, settings: AttemptSettings): Promise<Outcome> {
  const startedMs = Date.now();
  const failed = (error: string, more: Partial<Outcome> = {}): Outcome => ({
    isDelivered: false,
    durationMs: Date.now() - startedMs,
    error,
    ...more,
  });
  let url: URL;
  try {
    url = checkWebhookUrl(outgoing.url, settings);
  } catch (error) {
    if (error instanceof AppError) return failed(error.detail);
    throw error;
  }
  const signed = await signedHeaders(outgoing, settings.keys, Math.floor(startedMs / 1000));
  if (!signed) return failed('No signing secret of this endpoint can be read any more; rotate it.');
  // A timer of our own, since AbortSignal.timeout and a broken connection throw errors that are told apart by name alone.
  const abort = new AbortController();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    abort.abort();
  }, settings.timeoutSeconds * 1000);
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'Content-Type': 'application/json', 'User-Agent': 'Reelay-Webhooks/1', ...signed },
      body: outgoing.payload,
      signal: abort.signal,
    });
    // The status is the answer; a body could go on for ever.
    await response.body?.cancel().catch(() => undefined);
    const { status } = response;
    const durationMs = Date.now() - startedMs;
    if (response.ok) return { isDelivered: true, statusCode: status, durationMs };
    const isRedirect = status >= 300 && status < 400;
    return failed(isRedirect ? 'Redirects are not followed.' : `The receiver answered ${status}.`, {
      statusCode: status,
      retryAfterSeconds: retryAfterOf(response.headers.get('Retry-After'), Date.now()),
    });
  } catch {
    return failed(isLate ? `No answer within ${settings.timeoutSeconds} s.` : 'The connection failed.');
  } finally {
    clearTimeout(timer);
  }
}

/** One signature for each secret that is alive; undefined where none can be read. */
async function signedHeaders(
  { endpointId, secrets, eventId, payload }: Outgoing,
  keys: SigningKeys,
  nowSeconds: number,
): Promise<Record<string, string> | undefined> {
  const live = secrets.filter((secret) => isLive(secret, nowSeconds));
  const opened = await Promise.all(live.map((secret) => unwrapSecret(secret, endpointId, keys)));
  const message = { id: eventId, timestampSeconds: nowSeconds, body: payload };
  const signed = await Promise.all(
    opened.filter((secret) => secret !== undefined).map((secret) => webhookHeaders(secret, message)),
  );
  if (!signed[0]) return undefined;
  return { ...signed[0], 'webhook-signature': signed.map((one) => one['webhook-signature']).join(' ') };
}

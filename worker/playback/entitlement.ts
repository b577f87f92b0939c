// The deployment's own say in who may watch what: a service binding or a signed callback, asked at every play and
// renewal. What does not answer in time and in form counts as down, and a setting says what that means.
import { z } from 'zod';
import { AppError } from '../../shared/errors.ts';
import { KIB, SECOND_MS } from '../../shared/limits.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import { webhookHeaders } from '../../shared/standard-webhooks.ts';
import type { Config, Env } from '../env.ts';
import { readBytes } from '../http/body.ts';
import type { Viewer } from './viewer.ts';

const TIMEOUT_MS = 2 * SECOND_MS;
const MAX_ANSWER_BYTES = 16 * KIB;
const RETRY_SECONDS = 5;

/** A service binding has no address; the path is what its Worker sees. */
const BINDING_URL = 'https://entitlement/';

export type EntitlementQuestion = {
  action: 'play' | 'renew';
  ownerId: string;
  /** null for nobody in particular: a link's guest, a server that names no one. */
  viewerId: string | null;
  role: Viewer['role'];
  videoId: string;
  contentId: string | null;
  country: string | null;
  deviceId: string | null;
};

const Answer = z.object({
  allow: z.boolean(),
  maxHeight: z.int().min(1).nullish(),
  ttlSeconds: z.int().min(1).nullish(),
  /** Shown to the viewer. */
  reason: z.string().max(500).nullish(),
});

/** What whoever may watch is given at most. */
export type Entitlement = { maxHeight?: number; ttlSeconds?: number };

/**
 * @returns no limits where no hook is configured
 * @throws AppError `playback_not_entitled` with the hook's reason, or `entitlement_unavailable`
 */
export async function entitled(
  { env, config, log }: { env: Env; config: Config; log: Log },
  question: EntitlementQuestion,
): Promise<Entitlement> {
  const binding = env.ENTITLEMENT;
  const url = binding ? BINDING_URL : config.ENTITLEMENT_URL;
  if (url === undefined) return {};
  let answer: z.infer<typeof Answer>;
  try {
    const request = await requestOf(url, question, config.ENTITLEMENT_SECRET);
    answer = await answerTo(binding ? (it) => binding.fetch(it) : (it) => fetch(it), request);
  } catch (error) {
    log.warn('entitlement.down', { answered: config.ENTITLEMENT_DEFAULT, ...errorFields(error) });
    if (config.ENTITLEMENT_DEFAULT === 'allow') return {};
    throw new AppError('entitlement_unavailable', { retryAfterSeconds: RETRY_SECONDS });
  }
  if (!answer.allow) {
    throw new AppError('playback_not_entitled', answer.reason ? { detail: answer.reason } : {});
  }
  const { maxHeight, ttlSeconds } = answer;
  return { ...(maxHeight != null && { maxHeight }), ...(ttlSeconds != null && { ttlSeconds }) };
}

async function requestOf(
  url: string,
  question: EntitlementQuestion,
  secret: string | undefined,
): Promise<Request> {
  const body = JSON.stringify(question);
  const message = { id: `msg_${crypto.randomUUID()}`, timestampSeconds: Math.floor(Date.now() / 1000), body };
  return new Request(url, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(secret === undefined ? {} : await webhookHeaders(secret, message)),
    },
    body,
    redirect: 'manual', // a signed question goes to the configured place alone
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

async function answerTo(
  ask: (request: Request) => Promise<Response>,
  request: Request,
): Promise<z.infer<typeof Answer>> {
  const response = await ask(request);
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the entitlement hook answered ${response.status}`);
  }
  const bytes = await readBytes(response, MAX_ANSWER_BYTES);
  return Answer.parse(JSON.parse(new TextDecoder().decode(bytes)));
}

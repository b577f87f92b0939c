// The receiver of webhooks in workerd tests. An event's data may hold a script: one step for each time it comes.
import { CANARY_HOSTS, RECEIVER, type Received, type Step } from './webhook-host.ts';

/** Longer than the tests let the Worker wait. */
const LATE_MS = 6000;
const RETRY_AFTER_SECONDS = 7200;

const received: Received[] = [];
const canaryHits: string[] = [];

export function isForReceiver({ origin, hostname }: URL): boolean {
  return origin === RECEIVER || CANARY_HOSTS.includes(hostname);
}

export async function receiveWebhook(request: Request): Promise<Response> {
  const { hostname, pathname, href } = new URL(request.url);
  if (CANARY_HOSTS.includes(hostname)) {
    canaryHits.push(href);
    return new Response('secret');
  }
  if (pathname === '/canary-hits') return Response.json(canaryHits);
  if (pathname.startsWith('/received/')) {
    return Response.json(received.filter(({ path }) => path === pathname.slice('/received'.length)));
  }
  const body = await request.text();
  const headers = Object.fromEntries(request.headers) as Record<string, string>;
  received.push({ path: pathname, headers, body });
  const times = received.filter(
    (one) => one.path === pathname && one.headers['webhook-id'] === headers['webhook-id'],
  ).length;
  const { data } = JSON.parse(body) as { data: { script?: Step[] } };
  const steps = (data.script ?? []).filter((step) => step !== 'reset');
  return answer(steps[times - 1] ?? '200');
}

async function answer(step: Step): Promise<Response> {
  if (step === 'timeout') {
    await new Promise((resolve) => setTimeout(resolve, LATE_MS));
    return new Response('late');
  }
  const status = Number(step);
  return new Response(status === 204 ? null : 'what a receiver says', {
    status,
    headers: {
      ...(status >= 300 && status < 400 && { Location: `https://${CANARY_HOSTS[0]}/latest/meta-data` }),
      ...(status === 429 && { 'Retry-After': String(RETRY_AFTER_SECONDS) }),
    },
  });
}

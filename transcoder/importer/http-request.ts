// One GET with its redirects. Every hop is checked and dialled like the first; nothing of ours is sent along but
// the range that is asked for.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { AppError } from '../../shared/errors.ts';
import { checkImportUrl, type ImportUrlPolicy } from '../../shared/import-url.ts';
import { connectPublic, type Network } from './address-guard.ts';
import { Interrupted } from './interrupted.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** From the request to the head of its answer. */
const HEAD_TIMEOUT_MS = 30_000;

export type HttpContext = { policy: ImportUrlPolicy; network: Network; signal: AbortSignal };

/** @throws AppError for what another try cannot change, Interrupted for the rest. */
export async function getFollowing(
  address: string,
  headers: Record<string, string>,
  context: HttpContext,
): Promise<IncomingMessage> {
  let url = checkImportUrl(address, context.policy);
  for (let hops = 0; ; hops++) {
    const response = await getOnce(url, headers, context);
    if (!REDIRECTS.has(response.statusCode ?? 0)) return response;
    response.destroy();
    if (hops === MAX_REDIRECTS) {
      throw redirectRefused(`The server redirects more than ${MAX_REDIRECTS} times.`);
    }
    url = nextHop(url, response.headers.location, context.policy);
  }
}

function nextHop(from: URL, location: string | undefined, policy: ImportUrlPolicy): URL {
  const target = URL.parse(location ?? '', from.href);
  if (location === undefined || !target) throw redirectRefused('The server redirects to nowhere.');
  if (target.protocol !== from.protocol) {
    throw redirectRefused(`The server redirects from ${from.protocol} to ${target.protocol}`.slice(0, 200));
  }
  try {
    return checkImportUrl(target.href, policy);
  } catch (error) {
    if (error instanceof AppError && error.code === 'import_url_invalid') {
      throw redirectRefused(`The server redirects to a URL that cannot be imported. ${error.detail}`);
    }
    throw error;
  }
}

async function getOnce(
  url: URL,
  headers: Record<string, string>,
  { policy, network, signal }: HttpContext,
): Promise<IncomingMessage> {
  const socket = await connectPublic(url, network, { allowLoopback: policy.allowLoopback, signal });
  const within = AbortSignal.any([signal, AbortSignal.timeout(HEAD_TIMEOUT_MS)]);
  try {
    return await headOf(url, headers, socket, within);
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    const detail = `The host ${url.hostname} did not answer a request.`;
    throw new Interrupted(new AppError('import_unreachable', { detail, cause: error }));
  }
}

/** HTTP over a connection that is already there: no agent, no proxy of the environment, no lookup. */
function headOf(
  url: URL,
  headers: Record<string, string>,
  socket: Socket,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => socket,
      path: `${url.pathname}${url.search}`,
      setHost: false,
      headers: {
        host: url.host,
        'user-agent': 'Reelay-Import/1.0',
        accept: '*/*',
        'accept-encoding': 'identity',
        connection: 'close',
        ...headers,
      },
    });
    const giveUp = () => request.destroy(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    request.once('response', (response) => {
      signal.removeEventListener('abort', giveUp);
      resolve(response);
    });
    // Errors after the head belong to the body and are raised there.
    request.on('error', reject);
    request.end();
  });
}

function redirectRefused(detail: string): AppError {
  return new AppError('import_redirect_refused', { detail: /[.]$/.test(detail) ? detail : `${detail}.` });
}

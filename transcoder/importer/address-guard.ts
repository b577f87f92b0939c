// Connections to public addresses and to nothing else. A name is resolved once, every address it has is judged,
// and exactly those addresses are dialled: between check and dial there is no second lookup to rebind.
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import ipaddr from 'ipaddr.js';
import { AppError } from '../../shared/errors.ts';
import { Interrupted } from './interrupted.ts';

/** The world outside, as functions so that tests have one of their own. */
export type Network = {
  /** Every address of a name. */
  resolve(hostname: string): Promise<string[]>;
  /** Dials an address, never a name. */
  dial(address: string, port: number): Socket;
  /** Certificates to trust in place of the public ones. */
  ca?: string;
};

export const INTERNET: Network = {
  resolve: async (hostname) =>
    (await lookup(hostname, { all: true, order: 'verbatim' })).map(({ address }) => address),
  dial: (host, port) => connectTcp({ host, port }),
};

/** For one address, after which the next one of the host is tried. */
const CONNECT_TIMEOUT_MS = 10_000;
const MAX_ADDRESSES = 4;

/**
 * A connection to the host of a URL, with TLS where it is https.
 *
 * @throws AppError `import_address_refused` when any of its addresses is not public, Interrupted when none answers.
 */
export async function connectPublic(
  url: URL,
  network: Network,
  options: { allowLoopback: boolean; signal: AbortSignal },
): Promise<Socket | TLSSocket> {
  const { allowLoopback, signal } = options;
  const isTls = url.protocol === 'https:';
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  let failure: unknown;
  for (const address of await allowedAddresses(host, network, allowLoopback)) {
    signal.throwIfAborted();
    const within = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
    const socket = network.dial(address, port);
    // Whoever reads from the connection hears of its errors; one between two readers must not end the process.
    socket.on('error', () => undefined);
    try {
      await once(socket, 'connect', { signal: within });
      return isTls ? await secured(socket, host, network.ca, within) : socket;
    } catch (error) {
      socket.destroy();
      signal.throwIfAborted();
      if (error instanceof AppError) throw error;
      failure = error;
    }
  }
  throw new Interrupted(unreachable(`The host ${host} did not accept a connection.`, failure));
}

async function allowedAddresses(host: string, network: Network, allowLoopback: boolean): Promise<string[]> {
  const isLiteral = isIP(host) !== 0;
  let addresses = [host];
  if (!isLiteral) {
    try {
      addresses = await network.resolve(host);
    } catch (error) {
      throw new Interrupted(unreachable(`The host ${host} could not be found.`, error));
    }
  }
  if (addresses.length === 0) {
    throw new Interrupted(unreachable(`The host ${host} could not be found.`, undefined));
  }
  // One private address among public ones is refused too: such a name is an attempt or a mistake.
  const isAllowed = (address: string) =>
    isPublicAddress(address) || (allowLoopback && isLoopbackAddress(address));
  if (!addresses.every(isAllowed)) {
    throw new AppError('import_address_refused', {
      detail: `The host ${host} has an address that is not public.`,
    });
  }
  return addresses.slice(0, MAX_ADDRESSES);
}

/**
 * Globally reachable unicast alone, and none of the forms that carry an IPv4 address inside (mapped, NAT64, 6to4,
 * Teredo). https://www.iana.org/assignments/iana-ipv6-special-registry/
 */
export function isPublicAddress(text: string): boolean {
  // isIP first: ipaddr.js also takes shorthands that a resolver never answers.
  if (isIP(text) === 0 || text.includes('%')) return false;
  const address = ipaddr.parse(text);
  if (address.range() !== 'unicast') return false;
  if (address.kind() === 'ipv4') return true;
  const within = (network: string) => address.match(ipaddr.parseCIDR(network));
  return within('2000::/3') && !NOT_PUBLIC_V6.some(within);
}

/** Inside 2000::/3 and yet not public: protocol assignments, documentation (RFC 9637), 6bone. */
const NOT_PUBLIC_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '3ffe::/16'];

function isLoopbackAddress(text: string): boolean {
  return text === '::1' || (isIP(text) === 4 && text.startsWith('127.'));
}

async function secured(
  socket: Socket,
  host: string,
  ca: string | undefined,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const tls = connectTls({
    socket,
    host,
    // Server names are names; an address is checked against the certificate as it is.
    ...(isIP(host) === 0 && { servername: host }),
    ...(ca !== undefined && { ca }),
    ALPNProtocols: ['http/1.1'],
  });
  try {
    await once(tls, 'secureConnect', { signal });
    return tls;
  } catch (error) {
    tls.destroy();
    if (tls.authorizationError || isCertificateError(error)) {
      throw unreachable(`The host ${host} has no certificate that is valid for it.`, error);
    }
    throw error;
  }
}

function isCertificateError(error: unknown): boolean {
  const code = String((error as NodeJS.ErrnoException | undefined)?.code);
  return /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS_CERT/.test(code);
}

function unreachable(detail: string, cause: unknown): AppError {
  return new AppError('import_unreachable', { detail, cause });
}

// Where a viewer is: the country and, where a deployment wants it, the network that a token is bound to.
import type { PlayClaims } from '../../shared/sign.ts';
import { edgeCountry } from '../http/edge-country.ts';

/** How many leading bits of an address a token is bound to. */
export type NetworkBits = { v4: number; v6: number };

/** The client's address; the platform sets it and clients cannot. */
export function edgeAddress(request: Request): string | undefined {
  return request.headers.get('CF-Connecting-IP') ?? undefined;
}

/** Whether a request comes from where its token was given to. A country nobody knows is not held against it. */
export function isInPlace({ cc, ip }: Pick<PlayClaims, 'cc' | 'ip'>, request: Request): boolean {
  if (cc !== undefined && (edgeCountry(request) ?? cc) !== cc) return false;
  if (ip === undefined) return true;
  const bits = Number(ip.split('/')[1]);
  return networkOf(edgeAddress(request) ?? '', { v4: bits, v6: bits }) === ip;
}

/** `203.0.113.0/24`, or eight groups and `/48`; undefined for what is no address. */
export function networkOf(address: string, bits: NetworkBits): string | undefined {
  const v4 = v4Numbers(address.replace(/^::ffff:(?=\d+\.)/i, ''));
  if (v4) return `${masked(v4, 8, bits.v4).join('.')}/${bits.v4}`;
  const v6 = v6Numbers(address);
  if (!v6) return undefined;
  const groups = masked(v6, 16, bits.v6).map((group) => group.toString(16));
  return `${groups.join(':')}/${bits.v6}`;
}

function masked(numbers: number[], width: number, bits: number): number[] {
  return numbers.map((number, index) => {
    const kept = Math.min(width, Math.max(0, bits - index * width));
    return number & ~(2 ** (width - kept) - 1);
  });
}

function v4Numbers(text: string): number[] | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const numbers = text.split('.').map(Number);
  return numbers.every((number) => number <= 255) ? numbers : undefined;
}

/** RFC 4291 §2.2, without the form that ends in an IPv4 address. */
function v6Numbers(text: string): number[] | undefined {
  const [head = '', tail, ...rest] = text.split('::');
  if (rest.length > 0) return undefined;
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array<string>(missing).fill('0'), ...right];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.map((group) => Number.parseInt(group, 16));
}

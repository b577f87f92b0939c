// What can be told of an import URL without asking anybody: its form, scheme and port, and hosts that no public
// server has. The Worker asks at creation, the transcoder again at every hop; what a name resolves to is the
// transcoder's to judge when it dials.
import { AppError } from './errors.ts';

/** Longer ones are no links a person was given; signed URLs of the large clouds stay below 2,000. */
export const MAX_IMPORT_URL_CHARS = 4096;
export const DEFAULT_IMPORT_PORTS: readonly number[] = [443];

export type ImportUrlPolicy = {
  /** Ports that https may use. */
  ports: readonly number[];
  /** For tests of a stack on one machine: loopback hosts by http or https on any port. */
  allowLoopback: boolean;
};

/** RFC 6761, RFC 6762, RFC 8375 and what routers and offices use: names that mean something only inside a network. */
const PRIVATE_SUFFIXES = [
  ...['localhost', 'local', 'internal', 'home.arpa', 'localdomain', 'lan', 'home', 'intranet', 'corp'],
  ...['private', 'invalid', 'test', 'onion', 'in-addr.arpa', 'ip6.arpa'],
];

/** @throws AppError `import_url_invalid` or `import_address_refused`; details never repeat the URL, which may hold a secret. */
export function checkImportUrl(text: string, policy: ImportUrlPolicy): URL {
  const url = parse(text);
  if (url.username !== '' || url.password !== '') {
    throw invalid('The URL holds a user name or password, which is not supported; use a signed URL.');
  }
  const host = url.hostname.replace(/\.+$/, '');
  if (policy.allowLoopback && isLoopbackHost(host)) {
    if (url.protocol === 'https:' || url.protocol === 'http:') return url;
    throw invalid('Only https URLs can be imported.');
  }
  if (url.protocol !== 'https:') throw invalid('Only https URLs can be imported.');
  refuseHost(host);
  const port = url.port === '' ? 443 : Number(url.port);
  if (!policy.ports.includes(port)) {
    throw invalid(`Port ${port} is not open to imports here; allowed: ${policy.ports.join(', ')}.`);
  }
  return url;
}

/** A host as URLs write it, IPv6 in brackets. */
export function isAddressLiteral(host: string): boolean {
  // The URL parser has brought every decimal, octal, hexadecimal and short form of IPv4 to four numbers.
  return host.startsWith('[') || /^\d+\.\d+\.\d+\.\d+$/.test(host);
}

/** A name without a final dot. */
export function isPrivateName(host: string): boolean {
  const isPrivate = PRIVATE_SUFFIXES.some((suffix) => host === suffix || host.endsWith(`.${suffix}`));
  return isPrivate || !host.includes('.');
}

function parse(text: string): URL {
  if (text.length > MAX_IMPORT_URL_CHARS) {
    throw invalid(`The URL is longer than ${MAX_IMPORT_URL_CHARS} characters.`);
  }
  // The parser would drop tabs and line breaks and turn backslashes round: the URL would mean something else than
  // its reader sees.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u0020\u007f\\]/.test(text)) {
    throw invalid('The URL holds spaces, backslashes or control characters.');
  }
  const url = /^[a-z][a-z0-9+.-]*:\/\/[^/]/i.test(text) ? URL.parse(text) : null;
  if (!url || url.hostname === '') throw invalid('This is not an absolute URL with a host.');
  url.hash = '';
  return url;
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function refuseHost(host: string): void {
  if (isAddressLiteral(host)) {
    throw refused('The URL names a bare address; imports need the name of a public host.');
  }
  if (isPrivateName(host)) throw refused('The URL names a host inside a private network.');
}

function invalid(detail: string): AppError {
  return new AppError('import_url_invalid', { detail });
}

function refused(detail: string): AppError {
  return new AppError('import_address_refused', { detail });
}

// Where a webhook may go: https to the name of a public host. Asked when the URL is given and again at every attempt;
// what a name resolves to is the platform's to judge, see docs/webhooks.md.
import { AppError } from './errors.ts';
import { isAddressLiteral, isLoopbackHost, isPrivateName } from './import-url.ts';

/** @throws AppError `webhook_url_invalid` or `webhook_address_refused`; details never repeat the URL. */
export function checkWebhookUrl(text: string, policy: { allowLoopback: boolean }): URL {
  // The parser would drop tabs and line breaks and turn backslashes round.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u0020\u007f\\]/.test(text)) {
    throw invalid('The URL holds spaces, backslashes or control characters.');
  }
  const url = /^[a-z][a-z0-9+.-]*:\/\/[^/]/i.test(text) ? URL.parse(text) : null;
  if (!url || url.hostname === '') throw invalid('This is not an absolute URL with a host.');
  if (url.username !== '' || url.password !== '') throw invalid('The URL holds a user name or password.');
  url.hash = '';
  const host = url.hostname.replace(/\.+$/, '');
  if (policy.allowLoopback && isLoopbackHost(host) && /^https?:$/.test(url.protocol)) return url;
  if (url.protocol !== 'https:') throw invalid('Webhooks go to https URLs only.');
  if (isAddressLiteral(host)) {
    throw refused('The URL names a bare address; webhooks need the name of a public host.');
  }
  if (isPrivateName(host)) throw refused('The URL names a host inside a private network.');
  if (url.port !== '') throw invalid('Webhooks go to port 443 only.');
  return url;
}

function invalid(detail: string): AppError {
  return new AppError('webhook_url_invalid', { detail });
}

function refused(detail: string): AppError {
  return new AppError('webhook_address_refused', { detail });
}

// Where the edge says a request comes from.

/** ISO 3166-1 as the edge sees it, or `T1` for Tor; undefined where it does not know. */
export function edgeCountry(request: Request): string | undefined {
  const { cf } = request as Request & { cf?: { country?: unknown } };
  const country = cf?.country;
  // https://developers.cloudflare.com/network/ip-geolocation/: XX stands for unknown.
  const isCountry = typeof country === 'string' && /^[A-Z][A-Z0-9]$/.test(country) && country !== 'XX';
  return isCountry ? country : undefined;
}

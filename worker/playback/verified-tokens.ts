// A player sends one token with hundreds of requests: what was found genuine here is not computed again. Only what
// never changes is remembered; time, place and revocation are judged each time.
import { type PlayClaims, type SigningKeys, verifyPlayToken } from '../../shared/sign.ts';
import { BoundedMap } from './bounded-map.ts';

/** About a megabyte. */
const MAX_HELD = 2000;

/** By the keys they were found genuine under: other keys, other tokens. */
const held = new WeakMap<SigningKeys, Map<string, PlayClaims>>();

/** As {@link verifyPlayToken}. Nothing is remembered of a token that is refused. */
export async function verifiedClaims(
  token: string,
  keys: SigningKeys,
  nowSeconds: number,
): Promise<PlayClaims> {
  const known = held.get(keys)?.get(token);
  if (known && known.exp > nowSeconds) return known;
  const claims = await verifyPlayToken(token, keys, nowSeconds);
  remember(token, keys, claims);
  return claims;
}

function remember(token: string, keys: SigningKeys, claims: PlayClaims): void {
  const tokens = held.get(keys) ?? new BoundedMap<string, PlayClaims>(MAX_HELD);
  held.set(keys, tokens.set(token, claims));
}

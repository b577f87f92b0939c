// Requests that must open nothing, each beside the one it was made from, which must. Everything follows from the seed.
import {
  fromBase64Url,
  type PlayClaims,
  type SigningKeys,
  signToken,
  toBase64Url,
} from '../../shared/sign.ts';

/** What is guarded: generations with the same file names, and the keys that sign for them. */
export type Guarded = {
  keys: SigningKeys;
  /** A generation and one of another video. */
  prefix: string;
  foreignPrefix: string;
  names: string[];
  /** Sessions that play, and one that no longer does. */
  sid: string;
  revokedSid: string;
  nowSeconds: number;
};

export type MediaRequest = { path: string; method: string; headers: Record<string, string> };
export type Attack = { kind: string; attack: MediaRequest; twin: MediaRequest };

/** The same attack on the licence of the generation; undefined where it was one on the path and not on the token. */
export function onLicense({ kind, attack, twin }: Attack): Attack | undefined {
  const [, token] = /^\/p\/([^/?#]+)\//.exec(attack.path) ?? [];
  const [, whole] = /^\/p\/([^/]+)\//.exec(twin.path) ?? [];
  // A licence is for all heights.
  if (token === undefined || token === whole || kind === 'above its height') return undefined;
  const ask = (by: string | undefined) => ({ path: `/p/${by}/license`, method: 'POST', headers: {} });
  return { kind: `${kind}, on the licence`, attack: ask(token), twin: ask(whole) };
}

type Hand = {
  guarded: Guarded;
  random: () => number;
  pick: <T>(items: readonly T[]) => T;
  /** A number from `from` to `to`, both included. */
  between: (from: number, to: number) => number;
  claims: PlayClaims;
  /** A token that opens everything of the generation. */
  token: string;
  name: string;
  sign: (claims: Partial<PlayClaims>, keys?: SigningKeys) => Promise<string>;
};

/** The next attack of this stream of random numbers. */
export async function nextAttack(guarded: Guarded, random: () => number): Promise<Attack> {
  const between = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
  const pick = <T>(items: readonly T[]): T => items[between(0, items.length - 1)]!;
  const claims: PlayClaims = {
    pfx: guarded.prefix,
    use: 'play',
    exp: guarded.nowSeconds + between(600, 90_000),
    nbf: guarded.nowSeconds - between(0, 600),
    sid: guarded.sid,
  };
  const sign = (changed: Partial<PlayClaims>, keys = guarded.keys) =>
    signToken('play', { ...claims, ...changed }, keys);
  const token = await sign({});
  const hand: Hand = { guarded, random, pick, between, claims, token, name: pick(guarded.names), sign };
  const kind = pick(Object.keys(TRICKS));
  const path = await TRICKS[kind]!(hand);
  const { method, headers } = pick(WAYS);
  return {
    kind,
    attack: { path, method, headers },
    twin: { path: `/p/${token}/${guarded.prefix}${hand.name}`, method, headers },
  };
}

const WAYS: { method: string; headers: Record<string, string> }[] = [
  { method: 'GET', headers: {} },
  { method: 'GET', headers: {} },
  { method: 'HEAD', headers: {} },
  { method: 'OPTIONS', headers: { Origin: 'https://page.test', 'Access-Control-Request-Method': 'GET' } },
  { method: 'GET', headers: { Range: 'bytes=0-0' } },
  { method: 'GET', headers: { Range: 'bytes=-1' } },
  { method: 'GET', headers: { Range: 'bytes=0-1,3-4' } },
  { method: 'GET', headers: { 'If-None-Match': '*' } },
  { method: 'GET', headers: { Cookie: 'token=1', 'Cache-Control': 'only-if-cached' } },
];

/** Each gives the path of an attack. */
const TRICKS: Record<string, (hand: Hand) => string | Promise<string>> = {
  'no token': (hand) => {
    const { token, name, pick, guarded } = hand;
    const object = guarded.prefix + name;
    return pick([
      `/p/${object}`,
      `/p//${object}`,
      `/${object}`,
      `/p/-/${object}`,
      `/p/v1/${object}`,
      `/p/v1.../${object}`,
      `/p/null/${object}`,
      `/p/${object}?token=${token}`,
      `/p/${object}#${token}`,
    ]);
  },
  expired: async (hand) =>
    below(hand, await hand.sign({ exp: hand.guarded.nowSeconds - hand.between(0, 9999) })),
  'not yet valid': async (hand) =>
    // Thirty seconds of skew are forgiven, and the attack may be made a while after it was thought of.
    below(hand, await hand.sign({ nbf: hand.guarded.nowSeconds + hand.between(3600, 90_000) })),
  'of another video': async (hand) =>
    hand.pick([
      below(hand, await hand.sign({ pfx: hand.guarded.foreignPrefix })),
      below(hand, hand.token, hand.guarded.foreignPrefix + hand.name),
    ]),
  'of another prefix': async (hand) => {
    const { prefix } = hand.guarded;
    const pfx = hand.pick([
      prefix.slice(0, -1),
      prefix.slice(0, prefix.length - hand.between(2, 9)),
      `${prefix}${hand.name}`,
      `${prefix}x/`,
      prefix.replace(/[^/]+\/$/, ''),
      prefix.replace(/[^/]+\/$/, 'another/'),
      `/${prefix}`,
      prefix.toUpperCase(),
      '/',
      '.',
    ]);
    return below(hand, await hand.sign({ pfx }));
  },
  'for another use': async (hand) => {
    const { claims, guarded, pick } = hand;
    const more = { ...claims, video: 'v', owner: 'o', job: 'j', task: 't', epoch: 1 };
    return below(
      hand,
      await pick([
        signToken('watch', more, guarded.keys),
        signToken('job', more, guarded.keys),
        signToken('play', { ...claims, use: pick(['', 'watch', 'Play', 'key']) }, guarded.keys),
      ]),
    );
  },
  'of another key': async (hand) => {
    const [live] = hand.guarded.keys;
    const secret = `another-secret-0123456789-0123456789-${hand.between(0, 1e6)}`;
    const signedBy = (kid: string, by: string) => hand.sign({}, [{ kid, secret: by }]);
    const [version, , payload, mac] = hand.token.split('.');
    return below(
      hand,
      await hand.pick([
        signedBy(live!.kid, secret),
        signedBy('k0', live!.secret),
        signedBy('toString', live!.secret),
        Promise.resolve([version, hand.pick(['k0', '', '__proto__', '0']), payload, mac].join('.')),
      ]),
    );
  },
  'with missing claims': async (hand) => {
    const { [hand.pick(['pfx', 'use', 'exp', 'sid'] as const)]: _, ...rest } = hand.claims;
    return below(hand, await signToken('play', rest, hand.guarded.keys));
  },
  'with a bit flipped': (hand) => {
    const parts = hand.token.split('.');
    const which = hand.pick([2, 3]);
    const bytes = fromBase64Url(parts[which]!)!;
    const at = hand.between(0, bytes.length - 1);
    bytes[at] = bytes[at]! ^ (1 << hand.between(0, 7));
    parts[which] = toBase64Url(bytes);
    return below(hand, parts.join('.'));
  },
  'with a character changed': (hand) => {
    const at = hand.between(0, hand.token.length - 1);
    const char = hand.pick([...`${ALPHABET}.~`].filter((other) => other !== hand.token[at]));
    return below(hand, hand.token.slice(0, at) + char + hand.token.slice(at + 1));
  },
  'in another spelling of the same bytes': (hand) => {
    const spare = ALPHABET.indexOf(hand.token.at(-1)!);
    // A mac has 256 bits; of its last character two say nothing.
    const respelt = hand.token.slice(0, -1) + ALPHABET[(spare & ~3) | ((spare + hand.between(1, 3)) & 3)];
    return below(
      hand,
      hand.pick([
        respelt,
        `${hand.token}=`,
        `${hand.token}==`,
        `${hand.token}%3D`,
        `${hand.token}%20`,
        hand.token.replace('v1.', 'v1%2E'),
        hand.token.replace(/[A-Za-z0-9]$/, (char) => `%${char.charCodeAt(0).toString(16)}`),
      ]),
    );
  },
  'doubled, cut or lengthened': async (hand) => {
    const { token, guarded, name, pick, between } = hand;
    const [version, kid, payload, mac] = token.split('.');
    const other = await hand.sign({ exp: hand.claims.exp + 1 });
    return pick([
      below(hand, token + token),
      below(hand, `${token}.${token}`),
      below(hand, `${token}/${token}`),
      below(hand, `${token},${other}`),
      `/p/${token}/p/${token}/${guarded.prefix}${name}`,
      `/p/x/${token}/${guarded.prefix}${name}`,
      below(hand, [version, kid, payload, payload, mac].join('.')),
      below(hand, [version, kid, payload].join('.')),
      below(hand, `${[version, kid, payload].join('.')}.`),
      below(hand, [version, kid, payload, other.split('.')[3]].join('.')),
      below(hand, [version, kid, other.split('.')[2], mac].join('.')),
      below(hand, token.slice(0, between(1, token.length - 1))),
      below(hand, token + pick([...ALPHABET])),
    ]);
  },
  'in other letters': (hand) => {
    const { token, guarded, name, pick } = hand;
    const object = guarded.prefix + name;
    const swapped = [...object].map((char) => (hand.random() < 0.3 ? swapCase(char) : char)).join('');
    return pick([
      // What happens to have stayed the same is no attack.
      below(hand, token, swapped === object ? object.toUpperCase() : swapped),
      below(hand, token.toLowerCase()),
      below(hand, token.toUpperCase()),
      below(hand, token.replace('v1', 'V1')),
      `/P/${token}/${object}`,
    ]);
  },
  'by a detour in the path': (hand) => {
    const { token, guarded, name, pick } = hand;
    const { prefix, foreignPrefix } = guarded;
    const up = '../'.repeat(prefix.split('/').length - 1);
    const escapedUp = up.replaceAll(
      '../',
      pick(['%2e%2e/', '..%2f', '%2E%2E%2F', '..%5c', '%252e%252e%252f']),
    );
    return below(
      hand,
      token,
      pick([
        `${prefix}${up}${foreignPrefix}${name}`,
        `${prefix}${escapedUp}${foreignPrefix}${name}`,
        `${prefix.slice(0, -1)}%2f${name}`,
        `${prefix}%2f${name}`,
        `${prefix}/${name}`,
        `/${prefix}${name}`,
        `${prefix}./%2e/${foreignPrefix}${name}`,
        `${prefix}${name}%00`,
        `${prefix}${name};${name}`,
        `${prefix}${name}/`,
        `${prefix}%${name.charCodeAt(0).toString(16)}${name.slice(1)}`,
        `${prefix}certificate.json`,
        `${prefix}x/${name}`,
        `${foreignPrefix}${name}`,
      ]),
    );
  },
  'above its height': async (hand) => {
    hand.name = hand.pick(hand.guarded.names.filter((name) => name.includes('720p')));
    return below(hand, await hand.sign({ maxHeight: hand.between(1, 719) }));
  },
  'from another network': async (hand) =>
    below(hand, await hand.sign({ ip: hand.pick(['203.0.113.0/24', '2001:db8:1:0:0:0:0:0/48', 'x', '']) })),
  'from another country': async (hand) => below(hand, await hand.sign({ cc: hand.pick(['FR', 'de', 'T1']) })),
  'of a revoked session': async (hand) => below(hand, await hand.sign({ sid: hand.guarded.revokedSid })),
};

export const TRICK_NAMES = Object.keys(TRICKS);

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function below({ guarded, name }: Hand, token: string, object = guarded.prefix + name): string {
  return `/p/${token}/${object}`;
}

function swapCase(char: string): string {
  return char === char.toLowerCase() ? char.toUpperCase() : char.toLowerCase();
}

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AppError } from '../../shared/errors.ts';
import { checkImportUrl } from '../../shared/import-url.ts';
import { connectPublic, INTERNET, isPublicAddress } from '../../transcoder/importer/address-guard.ts';
import {
  FILE_TEXT,
  fetchEnding,
  PUBLIC_ADDRESS,
  redirectTo,
  startWorld,
  type World,
} from './import-world.ts';

// P13: an import never reaches an address that is not public. Generated URLs of every kind, and a canary that
// counts connections.

const MEDIA = 'media.example.com';

let world: World;
beforeAll(async () => {
  world = await startWorld([MEDIA, '*.example.com', '*.evil.example']);
  world.name(MEDIA, [PUBLIC_ADDRESS]);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const PRIVATE_V4 = [
  ...['127.0.0.1', '127.255.0.9', '10.1.2.3', '172.16.5.4', '192.168.1.1', '169.254.169.254', '100.64.0.1'],
  ...['0.0.0.0', '224.0.0.1', '240.0.0.1', '255.255.255.255', '192.0.2.1', '198.51.100.7', '203.0.113.9'],
  ...['198.18.0.1', '192.0.0.8'],
];

const PRIVATE_V6 = [
  ...['::', '::1', 'fe80::1', 'febf::1', 'fc00::1', 'fd12:3456::1', 'ff02::1', 'fec0::1', '100::1'],
  ...['::ffff:127.0.0.1', '::ffff:10.0.0.1', '::ffff:93.184.215.14', '::127.0.0.1', '::ffff:0:127.0.0.1'],
  ...['64:ff9b::127.0.0.1', '64:ff9b::5db8:d70e', '64:ff9b:1::10.0.0.1', '2002:7f00:1::', '2002:a01:203::1'],
  ...['2001:0:53aa:64c:0:0:80ff:fffe', '2001:10::1', '2001:20::1', '2001:db8::1', '3fff::1', '3ffe::1'],
  ...['4000::1', '5f00::1', '2001:2::1'],
];

/** One IPv4 address as URLs may write it. */
function formsOf(address: string): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  const number = ((a * 256 + b) * 256 + c) * 256 + d;
  const each = (format: (part: number) => string) => [a, b, c, d].map(format).join('.');
  return [
    address,
    `${address}.`,
    String(number),
    `0x${number.toString(16)}`,
    `0${number.toString(8)}`,
    each((part) => `0x${part.toString(16)}`),
    each((part) => `0${part.toString(8)}`),
    `${a}.${(b * 256 + c) * 256 + d}`,
    `0x${a.toString(16)}.${b}.${c * 256 + d}`,
    address.replaceAll('.', '\u3002'),
    [...address]
      .map((char) => (char === '.' ? '\uff0e' : String.fromCharCode(char.charCodeAt(0) + 0xfee0)))
      .join(''),
  ];
}

type Case = { url: string; code: string };

const literals: Case[] = [
  ...PRIVATE_V4.flatMap(formsOf).map((host) => `https://${host}/film.mp4`),
  ...PRIVATE_V6.map((host) => `https://[${host}]/film.mp4`),
  'https://[0:0:0:0:0:0:0:1]/',
  'https://[0000:0000:0000:0000:0000:FFFF:7F00:0001]/',
  `https://${PUBLIC_ADDRESS}/`,
].map((url) => ({ url, code: 'import_address_refused' }));

const names: Case[] = [
  ...['localhost', 'LOCALHOST', 'localhost.', 'a.localhost', 'localhost\u3002', '\uff4c\uff4f\uff43alhost'],
  ...['metadata.google.internal', 'printer.local', 'printer.local.', 'router.lan', 'nas.home.arpa'],
  ...['intranet', 'db', 'wiki.corp', '1.0.0.127.in-addr.arpa', 'host.docker.internal'],
].map((host) => ({ url: `https://${host}/film.mp4`, code: 'import_address_refused' }));

const malformed: Case[] = [
  ...[
    'https://user@127.0.0.1/',
    `https://user:pass@${MEDIA}/`,
    `https://${MEDIA}@127.0.0.1/`,
    `https://:x@${MEDIA}/`,
  ],
  ...[`https://${MEDIA}%40127.0.0.1/`, `https://${MEDIA}\\@127.0.0.1:1/`, `https://${MEDIA}%2f@127.0.0.1/`],
  ...['https://[fe80::1%25eth0]/', 'https://[::1%lo]/', 'https://[::1', 'https://[::ffff:127.0.0.1.]/'],
  ...['https://256.1.1.1/', 'https://1.2.3.4.5/', 'https://0x100000000/', 'https:///film.mp4?', 'https://'],
  ...[80, 22, 25, 6379, 8080, 8443, 65_535, 0].map((port) => `https://${MEDIA}:${port}/`),
  ...[`https://${MEDIA}:99999/`, `http://${MEDIA}/`, `http://${MEDIA}:443/`, `HTTP://127.0.0.1/`],
  ...['ftp', 'file', 'gopher', 'data', 'javascript', 'ws', 'blob', 's3', 'dict'].map(
    (scheme) => `${scheme}://${MEDIA}/`,
  ),
  ...['//127.0.0.1/', '/film.mp4', 'film.mp4', '', ' ', `https://${MEDIA}/a b`, `\thttps://${MEDIA}/`],
  ...[
    `https://me\ndia.example.com/`,
    `https://${MEDIA}/${'a'.repeat(5000)}`,
    `https://${MEDIA}\u0000.evil.example/`,
  ],
].map((url) => ({ url, code: 'import_url_invalid' }));

/** Names that lead to private addresses, alone or behind a public one. */
function resolvingCases(): Case[] {
  return [...PRIVATE_V4, ...PRIVATE_V6].flatMap((address, index) => {
    world.name(`alone${index}.evil.example`, [address]);
    world.name(`beside${index}.evil.example`, [PUBLIC_ADDRESS, address]);
    return [`https://alone${index}.evil.example/`, `https://beside${index}.evil.example/file`].map((url) => ({
      url,
      code: 'import_address_refused',
    }));
  });
}

function redirectCases(): Case[] {
  const statuses = [301, 302, 303, 307, 308];
  world.name('inside.evil.example', ['10.0.0.1']);
  const targets: [string, string][] = [
    ['https://127.0.0.1/', 'import_address_refused'],
    ['https://[::ffff:169.254.169.254]/latest/meta-data', 'import_address_refused'],
    ['https://2130706433/', 'import_address_refused'],
    ['https://localhost/', 'import_address_refused'],
    ['https://inside.evil.example/', 'import_address_refused'],
    ['//0x7f.1/', 'import_address_refused'],
    [`http://${MEDIA}/file`, 'import_redirect_refused'],
    ['http://127.0.0.1/', 'import_redirect_refused'],
    ['ftp://127.0.0.1/', 'import_redirect_refused'],
    [`https://${MEDIA}:22/`, 'import_redirect_refused'],
    [`https://user@${MEDIA}/`, 'import_redirect_refused'],
    ['https://', 'import_redirect_refused'],
    [`https://${MEDIA}/file`, FILE_TEXT],
  ];
  const chained = (target: string, hops: number): string => {
    let url = target;
    for (let hop = 0; hop < hops; hop++) {
      url = `https://${MEDIA}${redirectTo(url, statuses[(hop + hops) % statuses.length])}`;
    }
    return url;
  };
  const cases = [1, 2, 3, 4, 5].flatMap((hops) =>
    targets.map(([target, code]) => ({ url: chained(target, hops), code })),
  );
  // One hop more than is followed, to the very file that five hops lead to.
  return [...cases, { url: chained(`https://${MEDIA}/file`, 6), code: 'import_redirect_refused' }];
}

/** Public when it is checked, private at the next lookup: of a redirect or of a second look. */
function rebindingCases(): Case[] {
  return [...PRIVATE_V4.slice(0, 8), ...PRIVATE_V6.slice(0, 12)].map((address, index) => {
    const host = `rebind${index}.evil.example`;
    world.name(host, [PUBLIC_ADDRESS], [address]);
    return { url: `https://${host}${redirectTo(`https://${host}/file`)}`, code: 'import_address_refused' };
  });
}

test('no generated URL reaches the canary, and each ends by its name', async () => {
  const cases = [
    ...[literals, names, malformed].flat(),
    ...resolvingCases(),
    ...redirectCases(),
    ...rebindingCases(),
  ];
  expect(cases.length).toBeGreaterThanOrEqual(300);
  const surprises: string[] = [];
  for (const { url, code } of cases) {
    const ending = await fetchEnding(url, world.network);
    if (ending !== code) surprises.push(`${url.slice(0, 200)}: ${ending} instead of ${code}`);
  }
  expect(surprises).toEqual([]);
  expect(world.canaryHits()).toBe(0);
  expect(new Set(world.dialled)).toEqual(new Set([PUBLIC_ADDRESS]));
});

describe('the guard alone, behind every check of the URL', () => {
  // As if the URL had passed: a host that is an address is judged too, though nobody looks it up.
  test.each([...PRIVATE_V4, ...PRIVATE_V6])('does not dial %s', async (address) => {
    const host = address.includes(':') ? `[${address}]` : address;
    const url = new URL(`https://${host}:${world.canaryPort}/`);
    const options = { allowLoopback: false, signal: AbortSignal.timeout(5000) };
    await expect(connectPublic(url, INTERNET, options)).rejects.toMatchObject({
      code: 'import_address_refused',
    });
    expect(world.canaryHits()).toBe(0);
  });

  test('judges what the machine itself says a name is', async () => {
    const url = new URL(`https://localhost:${world.canaryPort}/`);
    const options = { allowLoopback: false, signal: AbortSignal.timeout(5000) };
    await expect(connectPublic(url, INTERNET, options)).rejects.toMatchObject({
      code: 'import_address_refused',
    });
    expect(world.canaryHits()).toBe(0);
  });

  test('dials loopback where a stack of tests asks for it, and then the canary does see it', async () => {
    await using elsewhere = await startWorld(['a.example.com']);
    const url = new URL(`http://127.0.0.1:${elsewhere.canaryPort}/`);
    const options = { allowLoopback: true, signal: AbortSignal.timeout(20_000) };
    const socket = await connectPublic(url, INTERNET, options);
    socket.destroy();
    await expect.poll(elsewhere.canaryHits, { timeout: 20_000 }).toBe(1);
    const inside = new URL('http://10.0.0.1/');
    await expect(connectPublic(inside, INTERNET, options)).rejects.toMatchObject({
      code: 'import_address_refused',
    });
  });

  test('looks a name up once for each connection and dials what it has checked', async () => {
    const host = 'once.example.com';
    world.name(host, [PUBLIC_ADDRESS], ['127.0.0.1']);
    const [lookups, dials] = [world.lookups.length, world.dialled.length];
    expect(await fetchEnding(`https://${host}/file`, world.network)).toBe(FILE_TEXT);
    expect(world.lookups.slice(lookups)).toEqual([host]);
    expect(world.dialled.slice(dials)).toEqual([PUBLIC_ADDRESS]);
    // The same name again, as after a broken connection.
    expect(await fetchEnding(`https://${host}/file`, world.network)).toBe('import_address_refused');
    expect(world.canaryHits()).toBe(0);
  });

  test.each([
    '8.8.8.8',
    '93.184.215.14',
    '2606:4700:4700::1111',
    '2a00:1450:4001:81b::200e',
    '2001:4860::8888',
  ])('takes %s for public', (address) => expect(isPublicAddress(address)).toBe(true));

  test.each([
    '',
    'localhost',
    '127.1',
    '0x7f000001',
    '2130706433',
    '8.8.8.8%eth0',
    '2606:4700::1%eth0',
    '[::1]',
  ])('takes no text like %j for an address', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('TLS', () => {
  test('is refused of a certificate for another name, and taken of one for this', async () => {
    world.name('media.other.example', [PUBLIC_ADDRESS]);
    expect(await fetchEnding('https://media.other.example/file', world.network)).toBe('import_unreachable');
    expect(await fetchEnding(`https://${MEDIA}/file`, world.network)).toBe(FILE_TEXT);
  });

  test('is refused of a certificate nobody vouches for', async () => {
    const { ca: _, ...unvouched } = world.network;
    expect(await fetchEnding(`https://${MEDIA}/file`, unvouched)).toBe('import_unreachable');
  });
});

describe('a request', () => {
  test('tells the server nothing but what it must know', async () => {
    let headers: NodeJS.Dict<string | string[]> = {};
    world.answer = (request) => {
      headers = request.headers;
      return false;
    };
    expect(await fetchEnding(`https://${MEDIA}/file?signature=abc#fragment`, world.network)).toBe(FILE_TEXT);
    world.answer = undefined;
    expect(headers).toEqual({
      host: MEDIA,
      'user-agent': 'Reelay-Import/1.0',
      accept: '*/*',
      'accept-encoding': 'identity',
      connection: 'close',
      range: 'bytes=0-',
    });
  });

  test('knows no proxy of the environment', async () => {
    process.env.HTTPS_PROXY = `http://127.0.0.1:${world.canaryPort}`;
    expect(await fetchEnding(`https://${MEDIA}/file`, world.network)).toBe(FILE_TEXT);
    delete process.env.HTTPS_PROXY;
    expect(world.canaryHits()).toBe(0);
  });
});

describe('the check of a URL', () => {
  const codeOf = (url: string, policy = { ports: [443], allowLoopback: false }) => {
    try {
      return checkImportUrl(url, policy).href;
    } catch (error) {
      return error instanceof AppError ? error.code : String(error);
    }
  };

  test('opens further ports by configuration alone', () => {
    const url = `https://${MEDIA}:8443/film.mp4`;
    expect(codeOf(url)).toBe('import_url_invalid');
    expect(codeOf(url, { ports: [443, 8443], allowLoopback: false })).toBe(url);
  });

  test('lets loopback in by the explicit setting alone, and nothing else with it', () => {
    const open = { ports: [443], allowLoopback: true };
    for (const url of ['http://127.0.0.1:8000/a', 'https://[::1]:9/a', 'http://localhost:1/a']) {
      expect(codeOf(url, open)).toBe(url);
      expect(codeOf(url)).toMatch(/^import_/);
    }
    expect(codeOf('https://10.0.0.1/', open)).toBe('import_address_refused');
    expect(codeOf(`http://${MEDIA}/`, open)).toBe('import_url_invalid');
  });

  test('never repeats the URL, which may hold a secret', () => {
    for (const { url } of [...literals, ...names, ...malformed]) {
      const secret = `${url}?token=geheim`;
      try {
        checkImportUrl(secret, { ports: [443], allowLoopback: false });
      } catch (error) {
        expect((error as AppError).detail).not.toContain('geheim');
        expect((error as AppError).detail).toMatch(/\.$/);
      }
    }
  });
});

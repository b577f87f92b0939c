import { env, SELF } from 'cloudflare:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it, vi } from 'vitest';
import type { WatchLink } from '../../shared/play-api.ts';
import { parseSigningKeys, signToken } from '../../shared/sign.ts';
import { type Config, configOf, type Env } from '../../worker/env.ts';
import { verifyJwt } from '../../worker/http/jwt.ts';
import { clientOf, clientWith, codeOf, ORIGIN, signJwt, type TokenChoices } from './api-client.ts';
import { uploaded } from './upload-steps.ts';

const KEYS = parseSigningKeys(env.SIGNING_KEYS as string);
const nowSeconds = () => Math.floor(Date.now() / 1000);

/** What the library answers to a bearer token. */
function list(token: string): Promise<string> {
  return clientWith(token).code('GET', '/v1/videos');
}

describe('a JWT', () => {
  it.each<[string, Partial<TokenChoices>, string]>([
    ['as it should be', {}, 'status 200'],
    ['of type at+jwt', { header: { typ: 'at+jwt' } }, 'status 200'],
    ['without a type', { header: { typ: undefined as never } }, 'status 200'],
    ['of another type', { header: { typ: 'refresh+jwt' } }, 'unauthorized'],
    ['past its time', { expiresIn: -60 }, 'token_expired'],
    ['without an end', { expiresIn: null }, 'unauthorized'],
    ['for another audience', { audience: 'elsewhere' }, 'unauthorized'],
    ['without an audience', { audience: undefined }, 'unauthorized'],
    ['of another issuer', { issuer: 'elsewhere' }, 'unauthorized'],
    ['without an issuer', { issuer: undefined }, 'unauthorized'],
    ['signed with another secret', { secret: 'another-secret-0123456789-0123456789' }, 'unauthorized'],
    [
      'past its time and forged',
      { expiresIn: -60, secret: 'another-secret-0123456789-0123456789' },
      'unauthorized',
    ],
    ['of an unknown role', { role: 'root' }, 'unauthorized'],
    ['without a role', { role: undefined }, 'unauthorized'],
    ['with the same secret but another algorithm', { header: { alg: 'HS512' } }, 'unauthorized'],
  ])('%s is met as it deserves', async (_, choices, expected) => {
    expect(await list(await signJwt({ ownerId: 'o', ...choices }))).toBe(expected);
  });

  it('is refused without a signature', async () => {
    const [header, payload, mac] = (await signJwt({ ownerId: 'o' })).split('.');
    const none = btoa(JSON.stringify({ alg: 'none', typ: 'JWT' })).replaceAll('=', '');
    expect(await list(`${none}.${payload}.`)).toBe('unauthorized');
    expect(await list(`${header}.${payload}.`)).toBe('unauthorized');
    expect(await list(`${header}.${payload}`)).toBe('unauthorized');
    expect(await list(`${header}.${payload}.${mac}`)).toBe('status 200');
  });

  it('is refused whichever character was changed, also in a spelling that decodes to the same bytes', async () => {
    const token = await signJwt({ ownerId: 'o' });
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const tampered = [...alphabet]
      .map((char) => token.slice(0, -1) + char)
      .filter((other) => other !== token);
    for (let index = 0; index < token.length; index += 7) {
      tampered.push(`${token.slice(0, index)}${token[index] === 'A' ? 'B' : 'A'}${token.slice(index + 1)}`);
    }
    const config = configOf(env as Env);
    const outcomes = tampered.map((other) =>
      verifyJwt(other, config).then(
        () => 'accepted',
        (e) => e.code,
      ),
    );
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['unauthorized']));
    expect(await list(token)).toBe('status 200');
  });

  it('puts the owner claim before the subject', async () => {
    const own = await new SignJWT({ role: 'admin', owner: 'team' })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('someone')
      .setIssuer('reelay')
      .setAudience('reelay')
      .setExpirationTime('1m')
      .sign(new TextEncoder().encode(env.JWT_SECRET as string));
    expect(await verifyJwt(own, configOf(env as Env))).toEqual({
      ownerId: 'team',
      subject: 'someone',
      role: 'admin',
    });
  });
});

describe('a key set', () => {
  const JWKS_URL = 'https://identity.test/jwks';

  it('verifies tokens of its keys and does not let its public key sign HS256', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'e1', alg: 'ES256' };
    const fetchKeys = vi
      .spyOn(globalThis, 'fetch')
      .mockImplementation(async () => Response.json({ keys: [jwk] }));
    const { JWT_SECRET: _, ...rest } = configOf(env as Env);
    const config: Config = { ...rest, JWT_JWKS_URL: JWKS_URL };
    const claims = () =>
      new SignJWT({ role: 'viewer' })
        .setSubject('o')
        .setIssuer('reelay')
        .setAudience('reelay')
        .setExpirationTime('1m');

    const good = await claims().setProtectedHeader({ alg: 'ES256', kid: 'e1' }).sign(privateKey);
    expect(await verifyJwt(good, config)).toEqual({ ownerId: 'o', subject: 'o', role: 'viewer' });

    const publicBytes = new TextEncoder().encode(JSON.stringify(jwk));
    const confused = await claims().setProtectedHeader({ alg: 'HS256', kid: 'e1' }).sign(publicBytes);
    await expect(verifyJwt(confused, config)).rejects.toMatchObject({ code: 'unauthorized' });
    // Nor does a deployment with a shared secret alone look at what is signed otherwise.
    await expect(verifyJwt(good, configOf(env as Env))).rejects.toMatchObject({ code: 'unauthorized' });
    fetchKeys.mockRestore();
  });

  it('that cannot be had is not the caller’s fault', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const fetchKeys = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('no route to host'));
    const token = await new SignJWT({ role: 'viewer' }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
    const config = { ...configOf(env as Env), JWT_JWKS_URL: 'https://gone.test/jwks' };
    await expect(verifyJwt(token, config)).rejects.toMatchObject({ code: 'identity_unavailable' });
    fetchKeys.mockRestore();
  });
});

describe('a request without a usable credential', () => {
  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Basic dXNlcjpwYXNz',
    'Bearer a b',
    'Bearer rk_x',
    'Bearer v1.k1.e30.AA',
  ])('is told to bring a bearer token: %s', async (header) => {
    const response = (await SELF.fetch(`${ORIGIN}/v1/videos`, {
      headers: header === undefined ? {} : { Authorization: header },
    })) as unknown as Response;
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer');
    expect(await codeOf(response)).toBe('unauthorized');
  });

  it('cannot pass with an invented ticket', async () => {
    const response = (await SELF.fetch(`${ORIGIN}/v1/jobs/any/events?ticket=x`)) as unknown as Response;
    expect(await codeOf(response)).toBe('ticket_invalid');
    const elsewhere = (await SELF.fetch(`${ORIGIN}/v1/videos?ticket=x`)) as unknown as Response;
    expect(await codeOf(elsewhere)).toBe('unauthorized');
  });
});

describe('the guest of a watch link', () => {
  it('reads its video and job, and nothing else', async () => {
    const owner = await clientOf();
    const { videoId, jobId } = await uploaded(owner);
    const other = await uploaded(owner);
    const { url } = await owner.json<WatchLink>(201, 'POST', `/v1/videos/${videoId}/watch-link`);
    const guest = clientWith(url.split('#t=')[1]!);

    expect(await guest.code('GET', `/v1/videos/${videoId}`)).toBe('status 200');
    expect(await guest.code('GET', `/v1/jobs/${jobId}`)).toBe('status 200');
    expect(await guest.code('POST', `/v1/videos/${videoId}/play`)).toBe('video_not_playable');

    expect(await guest.code('GET', `/v1/videos/${other.videoId}`)).toBe('not_found');
    expect(await guest.code('GET', `/v1/jobs/${other.jobId}`)).toBe('not_found');
    expect(await guest.code('GET', '/v1/videos')).toBe('forbidden');
    expect(await guest.code('PATCH', `/v1/videos/${videoId}`, { json: { title: 'mine' } })).toBe('forbidden');
    expect(await guest.code('DELETE', `/v1/videos/${videoId}`)).toBe('forbidden');
    expect(await guest.code('GET', `/v1/videos/${videoId}/source`)).toBe('forbidden');
    expect(await guest.code('POST', `/v1/videos/${videoId}/watch-link`)).toBe('forbidden');
    expect(await guest.code('POST', '/v1/uploads', { json: { filename: 'a', sizeBytes: 1 } })).toBe(
      'forbidden',
    );
    expect(await guest.code('GET', '/v1/api-keys')).toBe('forbidden');
  });

  it('stays no longer than the link', async () => {
    const link = (exp: number) => signToken('watch', { video: 'v', owner: 'o', exp }, KEYS);
    const read = async (exp: number) => clientWith(await link(exp)).code('GET', '/v1/videos/v');
    expect(await read(nowSeconds() - 1)).toBe('token_expired');
    expect(await read(nowSeconds() + 60)).toBe('not_found');
  });

  it('cannot come in with a token made for another purpose', async () => {
    const claims = { video: 'v', owner: 'o', exp: nowSeconds() + 60 };
    const read = async (purpose: 'play' | 'watch' | 'job') =>
      clientWith(await signToken(purpose, claims, KEYS)).code('GET', '/v1/videos/v');
    expect(await read('play')).toBe('unauthorized');
    expect(await read('job')).toBe('unauthorized');
    expect(await read('watch')).toBe('not_found');
  });
});

import { describe, expect, test } from 'vitest';
import {
  fromBase64Url,
  JobClaims,
  type PlayClaims,
  parseSigningKeys,
  signToken,
  toBase64Url,
  verifyPlayToken,
  verifyToken,
  WatchClaims,
} from '../../shared/sign.ts';

const OLD = 'old:0123456789-0123456789-0123456789-old';
const NEW = 'new:0123456789-0123456789-0123456789-new';
const keys = parseSigningKeys(OLD);
const NOW_SECONDS = 1_800_000_000;
const claims: PlayClaims = { pfx: 'hls/videos/a/b/', use: 'play', exp: NOW_SECONDS + 60, sid: 's' };

function verify(token: string, signingKeys = keys, nowSeconds = NOW_SECONDS) {
  return verifyPlayToken(token, signingKeys, nowSeconds);
}

describe('a playback token', () => {
  test('gives back the claims it was signed with', async () => {
    expect(await verify(await signToken('play', claims, keys))).toEqual(claims);
  });

  test('is refused when any one character is changed', async () => {
    const token = await signToken('play', claims, keys);
    for (let at = 0; at < token.length; at++) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      await expect(verify(changed)).rejects.toMatchObject({ code: 'playback_token_invalid' });
    }
  });

  test('has one spelling only: spare bits of the last character must be zero', async () => {
    const token = await signToken('play', claims, keys);
    // 32 bytes leave 2 spare bits in the 43rd character, so 3 other characters would decode to the same mac.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const lastIndex = alphabet.indexOf(token.at(-1)!);
    for (const spare of [1, 2, 3]) {
      const respelled = token.slice(0, -1) + alphabet[lastIndex + spare];
      await expect(verify(respelled)).rejects.toMatchObject({ code: 'playback_token_invalid' });
    }
    await expect(verify(`${token}=`)).rejects.toMatchObject({ code: 'playback_token_invalid' });
    await expect(verify(`${token}.x`)).rejects.toMatchObject({ code: 'playback_token_invalid' });
  });

  test('ends at its second of expiry and not before', async () => {
    const token = await signToken('play', claims, keys);
    expect(await verify(token, keys, claims.exp - 1)).toEqual(claims);
    await expect(verify(token, keys, claims.exp)).rejects.toMatchObject({ code: 'playback_token_expired' });
  });

  test('begins at nbf, with 30 seconds forgiven to slow clocks', async () => {
    const token = await signToken('play', { ...claims, nbf: NOW_SECONDS }, keys);
    expect(await verify(token, keys, NOW_SECONDS - 30)).toMatchObject({ sid: 's' });
    await expect(verify(token, keys, NOW_SECONDS - 31)).rejects.toMatchObject({
      code: 'playback_token_invalid',
    });
  });

  test('lives through a key rotation while its key is still listed', async () => {
    const token = await signToken('play', claims, keys);
    expect(await verify(token, parseSigningKeys(`${NEW},${OLD}`))).toEqual(claims);
    await expect(verify(token, parseSigningKeys(NEW))).rejects.toMatchObject({
      code: 'playback_token_invalid',
    });
  });

  test('is signed by the first key', async () => {
    expect(await signToken('play', claims, parseSigningKeys(`${NEW},${OLD}`))).toMatch(/^v1\.new\./);
  });

  test('of one purpose never passes for another, whatever it claims', async () => {
    const everything = { ...claims, video: 'v', owner: 'o', job: 'j', task: 't', epoch: 1 };
    for (const purpose of ['play', 'watch', 'job'] as const) {
      const token = await signToken(purpose, everything, keys);
      expect((await verifyToken('watch', token, keys, WatchClaims)) !== undefined).toBe(purpose === 'watch');
      expect((await verifyToken('job', token, keys, JobClaims)) !== undefined).toBe(purpose === 'job');
      const played = verify(token).then(
        () => 'accepted',
        (error) => error.code,
      );
      expect(await played).toBe(purpose === 'play' ? 'accepted' : 'playback_token_invalid');
    }
  });

  test('with claims of the wrong shape is refused though the mac is right', async () => {
    const token = await signToken('play', { ...claims, exp: 'never' }, keys);
    await expect(verify(token)).rejects.toMatchObject({ code: 'playback_token_invalid' });
  });
});

describe('parseSigningKeys', () => {
  test('takes several pairs in order', () => {
    expect(parseSigningKeys(`${NEW}, ${OLD}`).map((key) => key.kid)).toEqual(['new', 'old']);
  });

  test.each([
    '',
    'k1',
    'k1:short',
    ':0123456789-0123456789-0123456789',
    'k 1:0123456789-0123456789-0123456789',
  ])('refuses %j', (text) => {
    expect(() => parseSigningKeys(text)).toThrow(/signing keys/);
  });
});

describe('base64url', () => {
  test('decodes what it encodes, for every length of a last group', () => {
    for (const bytes of [new Uint8Array([255]), new Uint8Array([1, 2]), new Uint8Array([251, 255, 254, 0])]) {
      expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes);
    }
  });

  test.each(['A', 'AB==', 'A+/B', 'A B', ''])('does not decode %j', (text) => {
    expect(fromBase64Url(text)).toBeUndefined();
  });
});

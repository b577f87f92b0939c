// Who gets a content key: AES-128 keys by path, ClearKey licences by key id; each refusal beside its twin.
import { env, SELF } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { keyName } from '../../shared/object-keys.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { type PlayClaims, toBase64Url } from '../../shared/sign.ts';
import {
  bearer,
  fetchMedia,
  ORIGIN,
  outcome,
  play,
  playToken,
  post,
  publishVideo,
} from './playback-fixtures.ts';
import { type Protected, publishProtected, tokenOf } from './protected-fixtures.ts';

function askLicense(
  token: string,
  body: unknown,
  headers: Record<string, string> = {},
  method = 'POST',
): Promise<Response> {
  return SELF.fetch(`${ORIGIN}/p/${token}/license`, {
    method,
    headers,
    ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
  } as never) as unknown as Promise<Response>;
}

/** Claims of a live session of the video. */
async function sessionClaims(video: Protected, body: object = {}): Promise<Partial<PlayClaims>> {
  return { sid: (await play(video, body)).sessionId };
}

describe('a ClearKey licence', () => {
  it('is the key of the generation, as the browser’s own format has it', async () => {
    const video = await publishProtected('cenc');
    const answer = await play(video);
    const response = await askLicense(tokenOf(answer), { kids: [video.kid], type: 'temporary' });
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    expect(await response.json()).toEqual({
      keys: [{ kty: 'oct', kid: video.kid, k: toBase64Url(video.key) }],
      type: 'temporary',
    });
    const address = {
      ...{ keySystem: 'org.w3.clearkey', headers: {} },
      licenseUrl: `${ORIGIN}/p/${tokenOf(answer)}/license`,
    };
    expect(answer.drm).toEqual({ scheme: 'cenc', ...address, systems: [address] });
  });

  it('is bound to the device the session was begun on', async () => {
    const video = await publishProtected('cenc');
    const answer = await play(video, { deviceId: 'phone-1' });
    expect(answer.drm?.headers).toEqual({ 'X-Device-ID': 'phone-1' });
    const ask = (headers: Record<string, string>) =>
      askLicense(tokenOf(answer), { kids: [video.kid] }, headers);
    expect(await outcome(await ask(answer.drm!.headers))).toBe('200');
    expect(await outcome(await ask({ 'X-Device-ID': 'phone-2' }))).toBe('403 license_device_mismatch');
    expect(await outcome(await ask({}))).toBe('403 license_device_mismatch');
  });

  it('is refused to a session that was revoked', async () => {
    const video = await publishProtected('cenc');
    const answer = await play(video);
    const ask = async () => outcome(await askLicense(tokenOf(answer), { kids: [video.kid] }));
    expect(await ask()).toBe('200');
    await SELF.fetch(`${ORIGIN}/v1/sessions/${answer.sessionId}`, {
      method: 'DELETE',
      headers: await bearer(video.ownerId),
    });
    expect(await ask()).toBe('403 playback_session_revoked');
  });

  it('is refused to a revoked session although this isolate has not heard of it', async () => {
    const video = await publishProtected('cenc');
    const answer = await play(video);
    await env.DB.prepare('UPDATE sessions SET revoked_at = unixepoch() WHERE id = ?')
      .bind(answer.sessionId)
      .run();
    const response = await askLicense(tokenOf(answer), { kids: [video.kid] });
    expect(await outcome(response)).toBe('403 playback_session_revoked');
  });

  it('is refused to a token past its time, of another use, or of another session', async () => {
    const video = await publishProtected('cenc');
    const claims = await sessionClaims(video);
    const ask = async (changes: object) =>
      outcome(await askLicense(await playToken(video, { ...claims, ...changes }), { kids: [video.kid] }));
    expect(await ask({})).toBe('200');
    expect(await ask({ exp: Math.floor(Date.now() / 1000) - 1 })).toBe('401 playback_token_expired');
    expect(await ask({ use: 'watch' })).toBe('403 playback_token_invalid');
    expect(await ask({ sid: crypto.randomUUID() })).toBe('403 playback_session_revoked');
    expect(await outcome(await askLicense('v1.k1.e30.AA', { kids: [video.kid] }))).toBe(
      '403 playback_token_invalid',
    );
  });

  it('is refused for the keys of another video', async () => {
    const [video, other] = [await publishProtected('cenc'), await publishProtected('cenc')];
    const token = tokenOf(await play(video));
    const ask = async (kids: string[]) => outcome(await askLicense(token, { kids }));
    expect(await ask([video.kid])).toBe('200');
    expect(await ask([other.kid])).toBe('403 license_key_refused');
    expect(await ask([video.kid, other.kid])).toBe('403 license_key_refused');
    const crossed = await playToken(other, await sessionClaims(video));
    expect(await outcome(await askLicense(crossed, { kids: [other.kid] }))).toBe(
      '403 playback_session_revoked',
    );
  });

  it('is refused for what is no key id', async () => {
    const video = await publishProtected('cenc');
    const token = tokenOf(await play(video));
    const bent = `${video.kid.slice(0, 21)}_`; // the last character has four bits
    for (const body of [{}, { kids: [] }, { kids: ['x'] }, { kids: [bent] }, 'text', [1]]) {
      expect(await outcome(await askLicense(token, body)), JSON.stringify(body)).toBe('400 invalid_request');
    }
    expect(await outcome(await askLicense(token, { kids: [video.kid] }))).toBe('200');
  });

  it('is answered to any page, with credentials, errors included', async () => {
    const video = await publishProtected('cenc');
    const token = tokenOf(await play(video));
    const origin = { Origin: 'https://player.example' };
    for (const kids of [[video.kid], ['x']]) {
      const { headers } = await askLicense(token, { kids }, origin);
      expect(headers.get('Access-Control-Allow-Origin')).toBe('https://player.example');
      expect(headers.get('Access-Control-Allow-Credentials')).toBe('true');
      expect(headers.get('Vary')).toBe('Origin');
    }
    const preflight = await askLicense(token, undefined, origin, 'OPTIONS');
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('Access-Control-Allow-Methods')).toContain('POST');
    for (const name of ['X-Device-ID', 'Content-Type', 'Authorization']) {
      expect(preflight.headers.get('Access-Control-Allow-Headers')).toContain(name);
    }
    expect(await outcome(await askLicense(token, undefined, origin, 'GET'))).toBe('405 method_not_allowed');
  });

  it('has its URL in the MPD that the token reads', async () => {
    const video = await publishProtected('cenc');
    const token = tokenOf(await play(video));
    const manifest = await fetchMedia(token, `${video.prefix}manifest.mpd`);
    expect(await manifest.text()).toContain(`>${ORIGIN}/p/${token}/license<`);
    const capped = await playToken(video, { ...(await sessionClaims(video)), maxHeight: 480 });
    const text = await (await fetchMedia(capped, `${video.prefix}manifest.mpd`)).text();
    expect(text).toContain(`>${ORIGIN}/p/${capped}/license<`);
    expect(text).not.toContain('stream_720p');
  });
});

describe('an AES-128 key', () => {
  it('is its 16 bytes, kept by nobody', async () => {
    const video = await publishProtected('aes-128');
    const token = tokenOf(await play(video));
    const response = await fetchMedia(token, video.prefix + keyName(0));
    expect(response.headers.get('Content-Type')).toBe('application/octet-stream');
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*');
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(video.key);
    const head = await fetchMedia(token, video.prefix + keyName(0), { method: 'HEAD' });
    expect(head.headers.get('Content-Length')).toBe('16');
    expect(await outcome(await fetchMedia(token, video.prefix + keyName(1)))).toBe('200');
    expect(await outcome(await fetchMedia(token, video.prefix + keyName(2)))).toBe('404 not_found');
  });

  it('is refused to a token of another video, past its time, or revoked', async () => {
    const [video, other] = [await publishProtected('aes-128'), await publishProtected('aes-128')];
    const key = video.prefix + keyName(0);
    const ask = async (token: string) => outcome(await fetchMedia(token, key));
    const answer = await play(video);
    expect(await ask(tokenOf(answer))).toBe('200');
    expect(await ask(tokenOf(await play(other)))).toBe('403 playback_outside_token');
    expect(await ask(await playToken(video, { exp: 1 }))).toBe('401 playback_token_expired');
    await SELF.fetch(`${ORIGIN}/v1/sessions/${answer.sessionId}`, {
      method: 'DELETE',
      headers: await bearer(video.ownerId),
    });
    expect(await ask(tokenOf(answer))).toBe('403 playback_session_revoked');
  });

  it('is not to be had of a video under Common Encryption, nor a licence of one under AES-128', async () => {
    const [cenc, aes] = [await publishProtected('cenc'), await publishProtected('aes-128')];
    const [cencToken, aesToken] = [tokenOf(await play(cenc)), tokenOf(await play(aes))];
    expect(await outcome(await fetchMedia(cencToken, cenc.prefix + keyName(0)))).toBe('404 not_found');
    expect(await outcome(await fetchMedia(aesToken, aes.prefix + keyName(0)))).toBe('200');
    expect(await outcome(await askLicense(aesToken, { kids: [aes.kid] }))).toBe('403 license_key_refused');
    expect(await outcome(await askLicense(cencToken, { kids: [cenc.kid] }))).toBe('200');
  });
});

describe('the answer to play', () => {
  it.each([
    ['cenc', { hls: false, dash: true, drm: true }],
    ['aes-128', { hls: true, dash: false, drm: false }],
    ['none', { hls: true, dash: true, drm: false }],
  ] as const)('offers what %s allows, the same after renewal', async (scheme, offered) => {
    const video = scheme === 'none' ? await publishVideo() : await publishProtected(scheme);
    const answer = await play(video);
    const renewed = await post(`/v1/sessions/${answer.sessionId}/renew`, await bearer(video.ownerId));
    for (const one of [answer, (await renewed.json()) as PlayAnswer]) {
      const has = { hls: 'hls' in one, dash: 'dash' in one, drm: 'drm' in one };
      expect(has).toEqual(offered);
      expect(one.poster).toBeDefined();
      expect(one.storyboard).toBeDefined();
    }
  });
});

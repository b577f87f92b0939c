// Licences of vendors: who gets them, what goes to the vendor, and what comes back when it fails.
import { env } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { dashManifest } from '../../shared/dash.ts';
import { uuidOf } from '../../shared/protection.ts';
import { toBase64Url } from '../../shared/sign.ts';
import { configOf, type Env } from '../../worker/env.ts';
import {
  type Challenge,
  playReadyChallenge,
  WIDEVINE_CERTIFICATE_REQUEST,
  widevineChallenge,
} from '../support/challenges.ts';
import {
  LICENSE_TEXT,
  MANNER_HEADER,
  VENDOR_HOST,
  VENDOR_SECRET_TEXT,
  type VendorAsked,
} from '../support/license-vendor-host.ts';
import { randomOf } from '../support/random.ts';
import { nextAttack, onLicense } from '../support/token-attacks.ts';
import { ANYONE, begun, type Deployment, deployment, type Headers, person } from './playback-callers.ts';
import { AUDIO, KEYS, ORIGIN, outcome, playToken, VIDEO } from './playback-fixtures.ts';
import { type Protected, publishProtected, tokenOf } from './protected-fixtures.ts';

const SECRET = 'a-secret-between-us-and-the-vendor';
const FIELDS = '{keyId} {key} {videoId} {contentId} {viewerId} {sessionId} {deviceId} {country} {expiresAt}';

/** @param more of the vendor's JSON; `manner` says how the stand-in behaves */
function vendor(
  manner = 'license',
  { headers = {}, ...more }: { headers?: Headers; [name: string]: unknown } = {},
): string {
  const all = { 'X-Vendor-Key': SECRET, [MANNER_HEADER]: manner, ...headers };
  return JSON.stringify({ url: `${VENDOR_HOST}/widevine`, headers: all, ...more });
}

/** A vendor that is told by a header what to license. */
const TRUSTING = { checksKeyIds: false, headers: { 'X-Key-Id': '{keyId}' } };

const withVendors = (manner?: string, more?: Parameters<typeof vendor>[1]) =>
  deployment({
    DRM_WIDEVINE: vendor(manner, more),
    DRM_PLAYREADY: vendor(manner, { url: `${VENDOR_HOST}/playready`, ...more }),
  });
const ask = withVendors();

async function playOf(
  on: Deployment,
  video: Protected,
  json: object = {},
  subject = 'anna',
  country?: string,
) {
  const as = await person(video.ownerId, subject);
  return await begun(on(as, 'POST', `/v1/videos/${video.id}/play`, { json, country }));
}

function license(
  on: Deployment,
  token: string,
  body: Challenge | string,
  {
    headers = {},
    system = 'widevine',
    country,
  }: { headers?: Headers; system?: string; country?: string } = {},
) {
  return on(ANYONE, 'POST', `/p/${token}/license/${system}`, { body, headers, country });
}

async function lastAsked(path = '/widevine'): Promise<VendorAsked> {
  const all = (await (await fetch(`${VENDOR_HOST}/asked`)).json()) as VendorAsked[];
  return all.filter((one) => one.path === path).at(-1)!;
}

const bytesAsked = (asked: VendorAsked) => Uint8Array.from(atob(asked.body), (char) => char.charCodeAt(0));

describe('a licence of a vendor', () => {
  it('is what the vendor answers to the challenge as the player sent it', async () => {
    const video = await publishProtected('cenc');
    const token = tokenOf(await playOf(ask, video));
    const challenge = widevineChallenge(video.keyId);
    const answer = await license(ask, token, challenge, { headers: { Origin: 'https://player.example' } });
    expect(await answer.text()).toBe(LICENSE_TEXT);
    expect(answer.headers.get('Content-Type')).toBe('application/octet-stream');
    expect(answer.headers.get('Cache-Control')).toBe('no-store');
    expect(answer.headers.get('Access-Control-Allow-Origin')).toBe('https://player.example');
    expect(answer.headers.get('Access-Control-Allow-Credentials')).toBe('true');
    const asked = await lastAsked();
    expect(bytesAsked(asked)).toEqual(challenge);
    expect(asked.headers['x-vendor-key']).toBe(SECRET);
    expect(asked.headers['content-type']).toBe('application/octet-stream');
  });

  it('of PlayReady goes out and comes back as SOAP', async () => {
    const video = await publishProtected('cenc');
    const token = tokenOf(await playOf(ask, video));
    const action = '"http://schemas.microsoft.com/DRM/2007/03/protocols/AcquireLicense"';
    const answer = await license(ask, token, playReadyChallenge(video.keyId), {
      ...{ system: 'playready', headers: { SOAPAction: action } },
    });
    expect(await outcome(answer)).toBe('200');
    expect(answer.headers.get('Content-Type')).toBe('text/xml; charset=utf-8');
    const { headers } = await lastAsked('/playready');
    expect([headers['content-type'], headers.soapaction]).toEqual(['text/xml; charset=utf-8', action]);
    const preflight = await ask(
      { Origin: 'https://player.example' },
      'OPTIONS',
      `/p/${token}/license/playready`,
    );
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('Access-Control-Allow-Headers')).toContain('SOAPAction');
  });

  it('is asked for with what the vendor’s headers want to know', async () => {
    const on = withVendors('license', { headers: { 'X-Told': FIELDS } });
    const video = await publishProtected('cenc');
    const answer = await playOf(on, video, { deviceId: 'tv 1' }, 'an na', 'DE');
    const device = { 'X-Device-ID': 'tv 1' };
    const challenge = widevineChallenge(video.keyId);
    expect(await outcome(await license(on, tokenOf(answer), challenge, { headers: device }))).toBe('200');
    const told = (await lastAsked()).headers['x-told']!.split(' ');
    const key = toBase64Url(video.key);
    const expiry = String(Date.parse(answer.expiresAt) / 1000);
    expect(told).toEqual([
      ...[uuidOf(video.keyId), key, video.id, video.id, 'an%20na', answer.sessionId, 'tv%201', 'DE', expiry],
    ]);
  });

  it('is given for the keys of its own video alone, and for a certificate', async () => {
    const [video, other] = [await publishProtected('cenc'), await publishProtected('cenc')];
    const token = tokenOf(await playOf(ask, video));
    const of = async (challenge: Challenge, system?: string) =>
      outcome(await license(ask, token, challenge, { ...(system && { system }) }));
    expect(await of(widevineChallenge(video.keyId))).toBe('200');
    expect(await of(widevineChallenge(other.keyId))).toBe('403 license_key_refused');
    expect(await of(WIDEVINE_CERTIFICATE_REQUEST)).toBe('200');
    expect(await of(playReadyChallenge(video.keyId), 'playready')).toBe('200');
    expect(await of(playReadyChallenge(other.keyId), 'playready')).toBe('403 license_key_refused');
    const trusting = withVendors('license', TRUSTING);
    expect(await outcome(await license(trusting, token, widevineChallenge(other.keyId)))).toBe('200');
  });

  it('is given to the session’s device, in its countries, while it lives', async () => {
    const video = await publishProtected('cenc');
    await env.DB.prepare('UPDATE videos SET regions = ? WHERE id = ?').bind('["DE","AT"]', video.id).run();
    const answer = await playOf(ask, video, { deviceId: 'tv' }, 'anna', 'DE');
    const challenge = widevineChallenge(video.keyId);
    const of = async (device: string, country = 'DE', token = tokenOf(answer)) =>
      outcome(await license(ask, token, challenge, { headers: { 'X-Device-ID': device }, country }));
    expect(await of('tv')).toBe('200');
    expect(await of('phone')).toBe('403 license_device_mismatch');
    expect(await of('tv', 'FR')).toBe('401 playback_token_elsewhere');
    const claims = { sid: answer.sessionId, cc: 'DE' };
    expect(await of('tv', 'DE', await playToken(video, claims))).toBe('200');
    expect(await of('tv', 'DE', await playToken(video, { ...claims, exp: 1 }))).toBe(
      '401 playback_token_expired',
    );
    await env.DB.prepare('UPDATE videos SET regions = ? WHERE id = ?').bind('["AT"]', video.id).run();
    expect(await of('tv')).toBe('403 playback_region_refused');
    await env.DB.prepare('UPDATE videos SET regions = ? WHERE id = ?').bind('["DE"]', video.id).run();
    expect(await of('tv')).toBe('200');
    await env.DB.prepare('UPDATE sessions SET revoked_at = unixepoch() WHERE id = ?')
      .bind(answer.sessionId)
      .run();
    expect(await of('tv')).toBe('403 playback_session_revoked');
  });

  it('is given for none of three hundred attacks on the token', async () => {
    const [video, other] = [await publishProtected('cenc'), await publishProtected('cenc')];
    const [{ sessionId: sid }, revoked] = [await playOf(ask, video), await playOf(ask, video)];
    await env.DB.prepare('UPDATE sessions SET revoked_at = unixepoch() WHERE id = ?')
      .bind(revoked.sessionId)
      .run();
    const guarded = {
      ...{ keys: KEYS, names: ['manifest.mpd'], sid, revokedSid: revoked.sessionId },
      ...{ prefix: video.prefix, foreignPrefix: other.prefix, nowSeconds: Math.floor(Date.now() / 1000) },
    };
    const body = widevineChallenge(video.keyId);
    const send = ({ path }: { path: string }) =>
      ask(ANYONE, 'POST', `${path}/widevine`, { body, country: 'DE' });
    const random = randomOf(1);
    const failures: string[] = [];
    for (let sent = 0; sent < 300; ) {
      const made = onLicense(await nextAttack(guarded, random));
      if (!made) continue;
      sent++;
      const answer = await send(made.attack);
      const isRefused = answer.status >= 400 && !(await answer.text()).includes(LICENSE_TEXT);
      if (!isRefused) failures.push(`${made.kind}: ${made.attack.path}`);
      if (sent % 10 === 0 && !(await send(made.twin)).ok) failures.push(`the twin of ${made.kind}`);
    }
    expect(failures).toEqual([]);
  });

  it('is refused for what is not under Common Encryption', async () => {
    const [cenc, aes] = [await publishProtected('cenc'), await publishProtected('aes-128')];
    const of = async (video: Protected) =>
      outcome(await license(ask, tokenOf(await playOf(ask, video)), widevineChallenge(video.keyId)));
    expect(await of(cenc)).toBe('200');
    expect(await of(aes)).toBe('403 license_key_refused');
  });

  it.each([
    ['200', '200', '200'],
    ['403', '403 license_refused', 'The vendor answered 403.'],
    ['400', '403 license_refused', 'The vendor answered 400.'],
    ['429', '503 license_unavailable', undefined],
    ['500', '503 license_unavailable', undefined],
    ['204', '503 license_unavailable', undefined],
    ['302', '503 license_unavailable', undefined],
    ['307', '503 license_unavailable', undefined],
    ['empty', '503 license_unavailable', undefined],
    ['full', '200', '200'],
    ['lengthy', '503 license_unavailable', undefined],
  ])('from a vendor that answers %s ends as %s', async (manner, expected, detail) => {
    const on = withVendors(manner);
    const video = await publishProtected('cenc');
    const answer = await license(on, tokenOf(await playOf(on, video)), widevineChallenge(video.keyId));
    const text = await answer.clone().text();
    expect(await outcome(answer)).toBe(expected);
    if (expected === '200') return;
    if (detail) expect(text).toContain(detail);
    expect(answer.headers.get('Retry-After')).toBe(expected.startsWith('503') ? '5' : null);
    for (const secret of [SECRET, VENDOR_SECRET_TEXT, VENDOR_HOST]) expect(text).not.toContain(secret);
    expect(answer.headers.get('Access-Control-Allow-Origin')).toBeNull();
    expect(await lastAsked('/elsewhere')).toBeUndefined();
  });

  it('that does not come in time is unavailable', async () => {
    const video = await publishProtected('cenc');
    const token = tokenOf(await playOf(ask, video));
    const impatient = withVendors('hang', { timeoutSeconds: 0.2 });
    const challenge = widevineChallenge(video.keyId);
    expect(await outcome(await license(impatient, token, challenge))).toBe('503 license_unavailable');
    expect(await outcome(await license(ask, token, challenge))).toBe('200');
  });

  it('is asked for with a challenge of 64 KiB at most, and with one', async () => {
    const on = withVendors('license', TRUSTING);
    const token = tokenOf(await playOf(on, await publishProtected('cenc')));
    const of = async (sizeBytes: number) => outcome(await license(on, token, new Uint8Array(sizeBytes)));
    expect(await of(64 * 1024)).toBe('200');
    expect(await of(64 * 1024 + 1)).toBe('413 upload_body_too_large');
    expect(await of(0)).toBe('400 invalid_request');
  });
});

describe('the key systems of a deployment', () => {
  const offered = async (on: Deployment, video: Protected) => {
    const { hls, dash, drm } = await playOf(on, video, { deviceId: 'tv' });
    return { hasHls: hls !== undefined, hasDash: dash !== undefined, drm };
  };

  it('are its vendors’, in the answer to play, with HLS beside DASH', async () => {
    const video = await publishProtected('cenc');
    const { hasHls, hasDash, drm } = await offered(ask, video);
    expect([hasHls, hasDash]).toEqual([true, true]);
    const systems = drm!.systems.map(({ keySystem, licenseUrl, headers }) => [
      ...[keySystem, licenseUrl.replace(/^.*(?=license)/, ''), headers['X-Device-ID']],
    ]);
    expect(systems).toEqual([
      ['com.widevine.alpha', 'license/widevine', 'tv'],
      ['com.microsoft.playready', 'license/playready', 'tv'],
    ]);
    expect(drm).toMatchObject({ scheme: 'cenc', ...drm!.systems[0] });
    const alone = await offered(deployment(), video);
    expect([alone.hasHls, alone.drm!.systems.map(({ keySystem }) => keySystem)]).toEqual([
      ...[false, ['org.w3.clearkey']],
    ]);
  });

  it('have ClearKey beside a vendor only where that is said', async () => {
    const video = await publishProtected('cenc');
    const both = deployment({ DRM_WIDEVINE: vendor(), DRM_CLEARKEY: 'on' });
    const clearKey = async (on: Deployment) => {
      const { drm } = await offered(on, video);
      const body = JSON.stringify({ kids: [video.kid] });
      const token = drm!.licenseUrl.split('/')[4]!;
      const headers = { 'X-Device-ID': 'tv' };
      const answer = await on(ANYONE, 'POST', `/p/${token}/license`, { body, headers });
      return [drm!.systems.length, await outcome(answer)];
    };
    expect(await clearKey(both)).toEqual([2, '200']);
    expect(await clearKey(ask)).toEqual([2, '404 license_system_unavailable']);
    expect(await clearKey(deployment())).toEqual([1, '200']);
  });

  it('answer where they are and nowhere else', async () => {
    const video = await publishProtected('cenc');
    const token = tokenOf(await playOf(ask, video));
    const one = deployment({ DRM_WIDEVINE: vendor() });
    const challenge = widevineChallenge(video.keyId);
    const of = async (system: string) => outcome(await license(one, token, challenge, { system }));
    expect(await of('widevine')).toBe('200');
    expect(await of('playready')).toBe('404 license_system_unavailable');
    expect(await of('fairplay')).toBe('404 not_found');
    expect(await outcome(await license(one, 'v1.k1.e30.AA', challenge))).toBe('403 playback_token_invalid');
  });

  it('are refused at start where they make no sense, without a word of their secrets', () => {
    const parse = (bindings: object) => () => configOf({ ...env, ...bindings } as unknown as Env);
    expect(parse({ DRM_WIDEVINE: vendor(), DRM_CLEARKEY: 'off' })).not.toThrow();
    expect(parse({ DRM_CLEARKEY: 'off' })).toThrow(/DRM_CLEARKEY/);
    const broken = { DRM_PLAYREADY: vendor('', { url: 'http://licenses.example.com/' }) };
    expect(parse(broken)).toThrow(/https[\s\S]*DRM_PLAYREADY/);
    expect(parse(broken)).not.toThrow(SECRET);
  });
});

describe('manifests of a video under Common Encryption', () => {
  async function withTracks(): Promise<Protected> {
    const video = await publishProtected('cenc');
    const protection = { scheme: 'cenc' as const, keyId: video.keyId };
    const tracks = { video: VIDEO, audio: AUDIO, subtitles: [], protection };
    await env.MEDIA.delete(
      ['master.m3u8', 'stream_240p.m3u8', 'stream_720p.m3u8'].map((name) => video.prefix + name),
    );
    await env.MEDIA.put(`${video.prefix}tracks.json`, JSON.stringify(tracks));
    await env.MEDIA.put(`${video.prefix}manifest.mpd`, dashManifest(tracks));
    return video;
  }
  const read = async (on: Deployment, token: string, video: Protected, name: string, headers?: Headers) =>
    on(ANYONE, 'GET', `/p/${token}/${video.prefix}${name}`, headers ? { headers } : {});

  it('are HLS too where there is a vendor, and are 404 where there is none', async () => {
    const video = await withTracks();
    const { hls } = await playOf(ask, video);
    const token = hls!.split('/')[4]!;
    const master = await ask(ANYONE, 'GET', hls!.slice(ORIGIN.length));
    expect(master.headers.get('Content-Type')).toBe('application/vnd.apple.mpegurl');
    const text = await master.text();
    expect(text.match(/#EXT-X-SESSION-KEY:.*KEYFORMAT="([^"]+)"/g)).toHaveLength(2);
    expect(text).toContain(`KEYID=0x${video.keyId}`);
    for (const name of ['stream_240p.m3u8', 'stream_720p.m3u8', 'audio_en.m3u8']) {
      const list = await (await read(ask, token, video, name)).text();
      expect(list.match(/#EXT-X-KEY:METHOD=SAMPLE-AES-CTR/g), name).toHaveLength(2);
      expect(list).toContain('#EXT-X-ENDLIST');
    }
    expect(await outcome(await read(ask, token, video, 'stream_1080p.m3u8'))).toBe('404 not_found');
    const alone = deployment();
    expect(await outcome(await read(alone, token, video, 'master.m3u8'))).toBe('404 not_found');
    expect(await outcome(await read(alone, token, video, 'manifest.mpd'))).toBe('200');
  });

  it('obey the token’s cap, answer ranges and conditions, as any other', async () => {
    const video = await withTracks();
    const { sessionId } = await playOf(ask, video);
    const capped = await playToken(video, { sid: sessionId, maxHeight: 480 });
    const master = await read(ask, capped, video, 'master.m3u8');
    const text = await master.text();
    expect(text).toContain('stream_480p.m3u8');
    expect(text).not.toContain('stream_720p.m3u8');
    expect(await outcome(await read(ask, capped, video, 'stream_720p.m3u8'))).toBe(
      '403 playback_outside_token',
    );
    const etag = master.headers.get('ETag')!;
    expect((await read(ask, capped, video, 'master.m3u8', { 'If-None-Match': etag })).status).toBe(304);
    const part = await read(ask, capped, video, 'master.m3u8', { Range: 'bytes=0-6' });
    expect([part.status, await part.text()]).toEqual([206, '#EXTM3U']);
    expect((await read(ask, await playToken(video), video, 'master.m3u8')).headers.get('ETag')).not.toBe(
      etag,
    );
  });

  it('name the vendors’ systems and licences in the MPD, and ClearKey no more', async () => {
    const video = await withTracks();
    const token = tokenOf(await playOf(ask, video));
    const mpd = await read(ask, token, video, 'manifest.mpd');
    const text = await mpd.text();
    for (const system of ['widevine', 'playready']) {
      expect(text).toContain(`<dashif:Laurl>${ORIGIN}/p/${token}/license/${system}</dashif:Laurl>`);
    }
    expect(text.match(/<cenc:pssh>/g)).toHaveLength(4);
    expect(text).not.toContain('ClearKey1.0');
    const plain = await read(deployment(), token, video, 'manifest.mpd');
    expect(plain.headers.get('ETag')).not.toBe(mpd.headers.get('ETag'));
    expect(await plain.text()).toContain(`>${ORIGIN}/p/${token}/license<`);
  });

  it('know the subtitles that came later', async () => {
    const video = await withTracks();
    const before = await playOf(ask, video);
    const uploader = await person(video.ownerId, 'boss', 'uploader');
    const body = 'WEBVTT\n\n00:00.000 --> 00:01.000\nGuten Tag\n';
    const path = `/v1/videos/${video.id}/subtitles?language=de&label=Deutsch`;
    expect(
      (await ask(uploader, 'POST', path, { body, headers: { 'Content-Type': 'text/vtt' } })).status,
    ).toBe(201);
    const { hls } = await playOf(ask, video);
    expect(hls).toMatch(/master_r1\.m3u8$/);
    const textOf = async (url: string) => (await ask(ANYONE, 'GET', url.slice(ORIGIN.length))).text();
    expect(await textOf(hls!)).toContain('NAME="Deutsch"');
    expect(await textOf(new URL('subtitles_de_r1.m3u8', hls).href)).toContain('.vtt');
    expect(await textOf(before.hls!)).not.toContain('Deutsch');
    expect(await outcome(await read(ask, tokenOf(before), video, 'tracks_r1.json'))).toBe('404 not_found');
  });
});

import { env } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import { PlayClaims, verifyToken } from '../../shared/sign.ts';
import { configOf, type Env } from '../../worker/env.ts';
import type { EntitlementQuestion } from '../../worker/playback/entitlement.ts';
import { type Asked, ENTITLEMENT_HOST } from '../support/entitlement-host.ts';
import { begun, deployment, guest, person, server } from './playback-callers.ts';
import { KEYS, outcome, type PublishedVideo, publishVideo } from './playback-fixtures.ts';

const SECRET = `whsec_${btoa('a secret of thirty-two characters')}`;
const HOOK = { ENTITLEMENT_URL: `${ENTITLEMENT_HOST}/may-play`, ENTITLEMENT_SECRET: SECRET };
const ask = deployment(HOOK);
const lenient = deployment({ ...HOOK, ENTITLEMENT_DEFAULT: 'allow' });
const DENIED = '403 playback_not_entitled';
const DOWN = '503 entitlement_unavailable';

/** A video whose content id tells the service how to behave. */
async function videoOf(manner: string): Promise<PublishedVideo> {
  const video = await publishVideo();
  await behave(video, manner);
  return video;
}

async function behave(video: PublishedVideo, manner: string): Promise<void> {
  await env.DB.prepare('UPDATE videos SET content_id = ? WHERE id = ?')
    .bind(`${manner}_${video.id}`, video.id)
    .run();
}

const playPathOf = ({ id }: PublishedVideo) => `/v1/videos/${id}/play`;

async function lastAsked(videoId: string): Promise<{ asked: Asked; question: EntitlementQuestion }> {
  const all = (await (await fetch(`${ENTITLEMENT_HOST}/asked`)).json()) as Asked[];
  const asked = all.filter(({ body }) => body.includes(videoId)).at(-1)!;
  return { asked, question: JSON.parse(asked.body) };
}

describe('the entitlement hook', () => {
  test.each([
    ['allow', '200', '200'],
    ['nulls', '200', '200'],
    ['deny', DENIED, DENIED],
    ['deny-mutely', DENIED, DENIED],
    ['fail', DOWN, '200'],
    ['forbid', DOWN, '200'],
    ['redirect', DOWN, '200'],
    ['garbage', DOWN, '200'],
    ['wrong', DOWN, '200'],
    ['reset', DOWN, '200'],
    ['lengthy', DOWN, '200'],
  ])('that answers %s means %s, and %s where the default is to allow', async (manner, strict, mild) => {
    const video = await videoOf(manner);
    const anna = await person(video.ownerId, 'anna');
    expect([
      await outcome(await ask(anna, 'POST', playPathOf(video))),
      await outcome(await lenient(anna, 'POST', playPathOf(video))),
    ]).toEqual([strict, mild]);
  });

  test('that does not answer, or not to the end, is down after two seconds', async () => {
    const [mute, stalling] = [await videoOf('hang'), await videoOf('stall')];
    const play = async (one: typeof ask, video: PublishedVideo) =>
      one(await person(video.ownerId, 'anna'), 'POST', playPathOf(video));
    const [refused, allowed, stalled] = await Promise.all([
      play(ask, mute),
      play(lenient, mute),
      play(ask, stalling),
    ]);
    expect(refused.headers.get('Retry-After')).toBe('5');
    expect(await outcome(refused)).toBe(DOWN);
    expect(await outcome(allowed)).toBe('200');
    expect(await outcome(stalled)).toBe(DOWN);
  });

  test('says why to the viewer', async () => {
    const video = await videoOf('deny');
    const refused = await ask(await person(video.ownerId, 'anna'), 'POST', playPathOf(video));
    expect(await refused.json()).toMatchObject({ detail: 'Your plan has no films.' });
  });

  test('is asked who, what, where and on what, with a signature that its receiver can check', async () => {
    const video = await videoOf('allow');
    const anna = await person(video.ownerId, 'anna');
    const options = { json: { deviceId: 'tv', country: 'JP', viewerId: 'ben' }, country: 'DE' };
    await begun(ask(anna, 'POST', playPathOf(video), options));
    const { asked, question } = await lastAsked(video.id);
    expect(question).toEqual({
      action: 'play',
      ownerId: video.ownerId,
      viewerId: 'anna',
      role: 'viewer',
      videoId: video.id,
      contentId: `allow_${video.id}`,
      country: 'DE',
      deviceId: 'tv',
    });
    const {
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signature,
    } = asked.headers;
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60);
    const key = await crypto.subtle.importKey(
      'raw',
      new TextEncoder().encode('a secret of thirty-two characters'),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['verify'],
    );
    const mac = Uint8Array.from(atob(signature!.replace(/^v1,/, '')), (char) => char.charCodeAt(0));
    const isSigned = (text: string) => crypto.subtle.verify('HMAC', key, mac, new TextEncoder().encode(text));
    expect(await isSigned(`${id}.${timestamp}.${asked.body}`)).toBe(true);
    expect(await isSigned(`${id}.${Number(timestamp) + 1}.${asked.body}`)).toBe(false);
  });

  test("is told a server's viewer, and that a link's guest is nobody in particular", async () => {
    const video = await videoOf('allow');
    const json = { viewerId: 'ben', country: 'AT' };
    await begun(ask(await server(video.ownerId, 'uploader'), 'POST', playPathOf(video), { json }));
    const ofServer = { viewerId: 'ben', country: 'AT', role: 'uploader', deviceId: null };
    expect((await lastAsked(video.id)).question).toMatchObject(ofServer);
    await begun(ask(await guest(video), 'POST', playPathOf(video)));
    expect((await lastAsked(video.id)).question).toMatchObject({ viewerId: null, role: 'guest' });
  });

  test('is asked again when a session is renewed, of its own viewer', async () => {
    const video = await videoOf('allow');
    const anna = await person(video.ownerId, 'anna');
    const { sessionId } = await begun(ask(anna, 'POST', playPathOf(video), { json: { deviceId: 'tv' } }));
    const boss = await person(video.ownerId, 'boss', 'admin');
    const renew = async () => outcome(await ask(boss, 'POST', `/v1/sessions/${sessionId}/renew`));
    expect(await renew()).toBe('200');
    const { question } = await lastAsked(video.id);
    expect(question).toMatchObject({ action: 'renew', viewerId: 'anna', deviceId: 'tv', videoId: video.id });
    await behave(video, 'deny');
    expect(await renew()).toBe(DENIED);
    await behave(video, 'fail');
    expect(await renew()).toBe(DOWN);
  });

  test('bounds quality and time, which a request may bound further', async () => {
    const video = await videoOf('cap');
    const anna = await person(video.ownerId, 'anna');
    const given = async (json: object) => {
      const { hls, expiresAt } = await begun(ask(anna, 'POST', playPathOf(video), { json }));
      const claims = await verifyToken('play', /\/p\/([^/]+)/.exec(hls!)![1]!, KEYS, PlayClaims);
      return { rung: claims?.maxHeight, minutes: Math.round((Date.parse(expiresAt) - Date.now()) / 60_000) };
    };
    expect(await given({ ttlSeconds: 3600 })).toEqual({ rung: 480, minutes: 2 });
    expect(await given({ ttlSeconds: 60, maxHeight: 240 })).toEqual({ rung: 240, minutes: 1 });
    expect(await given({ ttlSeconds: 3600, maxHeight: 720 })).toEqual({ rung: 480, minutes: 2 });
  });

  test('that gives less time on renewal leaves the earlier token revocable to its end', async () => {
    const video = await videoOf('allow');
    const anna = await person(video.ownerId, 'anna');
    const json = { ttlSeconds: 3600 };
    const first = await begun(ask(anna, 'POST', playPathOf(video), { json }));
    await behave(video, 'cap');
    const second = await begun(ask(anna, 'POST', `/v1/sessions/${first.sessionId}/renew`));
    expect(Date.parse(second.expiresAt)).toBeLessThan(Date.parse(first.expiresAt));
    const row = await env.DB.prepare('SELECT expires_at AS expiresAt FROM sessions WHERE id = ?')
      .bind(first.sessionId)
      .first<{ expiresAt: number }>();
    expect(row!.expiresAt * 1000).toBeGreaterThanOrEqual(Date.parse(first.expiresAt));
  });

  test('may be a service binding, which goes before the URL', async () => {
    const video = await videoOf('deny');
    const asked: string[] = [];
    const ENTITLEMENT = {
      fetch: async (request: Request) => {
        asked.push(((await request.json()) as EntitlementQuestion).videoId);
        return Response.json({ allow: true });
      },
    };
    const bound = deployment({ ...HOOK, ENTITLEMENT });
    const anna = await person(video.ownerId, 'anna');
    expect(await outcome(await bound(anna, 'POST', playPathOf(video)))).toBe('200');
    expect(asked).toEqual([video.id]);
    expect(await outcome(await ask(anna, 'POST', playPathOf(video)))).toBe(DENIED);
  });

  test.each([
    [HOOK, true],
    [{ ENTITLEMENT_URL: HOOK.ENTITLEMENT_URL }, false],
    [{ ...HOOK, ENTITLEMENT_SECRET: 'whsec_short' }, false],
    [{ ...HOOK, ENTITLEMENT_URL: 'ftp://entitlement.test' }, false],
    [{ ...HOOK, ENTITLEMENT_DEFAULT: 'perhaps' }, false],
    [{ BIND_IP: '24' }, true],
    [{ BIND_IP: '24/56' }, true],
    [{ BIND_IP: 'yes' }, false],
    [{ BIND_IP: '48' }, false],
  ])('is configured by %j: %s', (bindings, isValid) => {
    const parse = () => configOf({ ...env, ...bindings } as unknown as Env);
    if (isValid) expect(parse).not.toThrow();
    else expect(parse).toThrow(/configuration/);
  });
});

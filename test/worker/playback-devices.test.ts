import { env } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import type { ViewerDevices } from '../../shared/play-api.ts';
import { pruneDevices } from '../../worker/playback/device-store.ts';
import { pruneSessions } from '../../worker/playback/store.ts';
import { ANYONE, begun, deployment, guest, type Headers, person, server } from './playback-callers.ts';
import { outcome, type PublishedVideo, publishVideo } from './playback-fixtures.ts';

const limited = deployment({ MAX_DEVICES_PER_VIEWER: '2' });
const DEVICES = '/v1/viewers/anna/devices';
const TOO_MANY = '403 device_limit_reached';

async function oneViewer() {
  const video = await publishVideo();
  const anna = await person(video.ownerId, 'anna');
  const play = (deviceId: string | undefined, as: Headers = anna, others = {}) =>
    limited(as, 'POST', `/v1/videos/${video.id}/play`, {
      json: { ...(deviceId && { deviceId }), ...others },
    });
  return { video, anna, play };
}

async function idsOf(as: Headers, path = DEVICES): Promise<string[]> {
  const { devices } = (await (await limited(as, 'GET', path)).json()) as ViewerDevices;
  return devices.map(({ deviceId }) => deviceId).sort();
}

describe('devices of one viewer', () => {
  test('are as many as may be; a known one plays on', async () => {
    const { play } = await oneViewer();
    expect(await outcome(await play('phone'))).toBe('200');
    expect(await outcome(await play('tv'))).toBe('200');
    const refused = await play('tablet');
    expect(await refused.clone().json()).toMatchObject({
      limit: 2,
      devices: [{ deviceId: expect.any(String) }, { deviceId: expect.any(String) }],
    });
    expect(await outcome(refused)).toBe(TOO_MANY);
    expect(await outcome(await play('phone'))).toBe('200');
  });

  test('are as many as may be, of however many that begin at the same moment', async () => {
    const { anna, play } = await oneViewer();
    const names = Array.from({ length: 8 }, (_, index) => `device-${index}`);
    const outcomes = await Promise.all(names.map(async (name) => outcome(await play(name))));
    expect(outcomes.filter((it) => it === '200')).toHaveLength(2);
    expect(outcomes.filter((it) => it === TOO_MANY)).toHaveLength(6);
    expect(await idsOf(anna)).toHaveLength(2);
  });

  test('must be named where they are counted, by viewers and for them', async () => {
    const { video, play } = await oneViewer();
    expect(await outcome(await play(undefined))).toBe('400 device_required');
    const key = await server(video.ownerId);
    expect(await outcome(await play(undefined, key, { viewerId: 'ben' }))).toBe('400 device_required');
    expect(await outcome(await play('phone', key, { viewerId: 'ben' }))).toBe('200');
    expect(await outcome(await play(undefined, key))).toBe('200');
    expect(await outcome(await play(undefined, await guest(video)))).toBe('200');
  });

  test('are not taken by a session that had no room', async () => {
    const both = deployment({ MAX_DEVICES_PER_VIEWER: '2', MAX_CONCURRENT_SESSIONS: '1' });
    const { video, anna } = await oneViewer();
    const path = `/v1/videos/${video.id}/play`;
    expect(await outcome(await both(anna, 'POST', path, { json: { deviceId: 'phone' } }))).toBe('200');
    expect(await outcome(await both(anna, 'POST', path, { json: { deviceId: 'tv' } }))).toBe(
      '429 concurrent_sessions_exceeded',
    );
    expect(await idsOf(anna)).toEqual(['phone']);
  });

  test('are listed and removed, which frees the slot and ends what plays there and nothing else', async () => {
    const { anna, play } = await oneViewer();
    const onPhone = await begun(play('phone'));
    const onTv = await begun(play('tv'));
    const again = await begun(play('phone'));
    expect(await idsOf(anna)).toEqual(['phone', 'tv']);
    expect(await outcome(await limited(anna, 'DELETE', `${DEVICES}/phone`))).toBe('204');
    expect(await idsOf(anna)).toEqual(['tv']);
    for (const { hls, sessionId } of [onPhone, again]) {
      expect(await outcome(await limited(ANYONE, 'GET', hls!))).toBe('403 playback_session_revoked');
      const renewed = await limited(anna, 'POST', `/v1/sessions/${sessionId}/renew`);
      expect(await outcome(renewed)).toBe('403 playback_session_revoked');
    }
    expect(await outcome(await limited(ANYONE, 'GET', onTv.hls!))).toBe('200');
    expect(await outcome(await play('tablet'))).toBe('200');
    expect(await outcome(await limited(anna, 'DELETE', `${DEVICES}/phone`))).toBe('404 not_found');
  });

  test('are removed all at once, with every session of the viewer, named device or not', async () => {
    const { video, anna, play } = await oneViewer();
    const free = deployment();
    const unnamed = await begun(free(anna, 'POST', `/v1/videos/${video.id}/play`));
    await begun(play('phone'));
    expect(await outcome(await limited(anna, 'DELETE', DEVICES))).toBe('204');
    expect(await idsOf(anna)).toEqual([]);
    expect(await outcome(await limited(ANYONE, 'GET', unnamed.hls!))).toBe('403 playback_session_revoked');
  });

  test('a device with a name of any kind can be removed', async () => {
    const { anna, play } = await oneViewer();
    const name = 'Anna’s 50" TV / 2%';
    await begun(play(name));
    const path = `${DEVICES}/${encodeURIComponent(name)}`;
    expect(await outcome(await limited(anna, 'DELETE', path))).toBe('204');
    expect(await idsOf(anna)).toEqual([]);
  });

  test.each<[string, (video: PublishedVideo) => Promise<Headers>, boolean]>([
    ['the viewer', ({ ownerId }) => person(ownerId, 'anna'), true],
    ['another viewer', ({ ownerId }) => person(ownerId, 'ben'), false],
    ['another uploader', ({ ownerId }) => person(ownerId, 'ben', 'uploader'), false],
    ['an admin', ({ ownerId }) => person(ownerId, 'ben', 'admin'), true],
    ['the owner', ({ ownerId }) => person(ownerId, ownerId, 'uploader'), true],
    ["the owner's server", ({ ownerId }) => server(ownerId), true],
  ])('are for %s: %#', async (_who, callerOf, isAllowed) => {
    const { video, anna, play } = await oneViewer();
    await begun(play('phone'));
    const caller = await callerOf(video);
    const expected = isAllowed ? ['200', '204'] : ['404 not_found', '404 not_found'];
    expect([
      await outcome(await limited(caller, 'GET', DEVICES)),
      await outcome(await limited(caller, 'DELETE', `${DEVICES}/phone`)),
    ]).toEqual(expected);
    expect(await idsOf(anna)).toEqual(isAllowed ? [] : ['phone']);
  });

  test('an admin of another library, a guest and nobody see none of them', async () => {
    const { video, anna, play } = await oneViewer();
    await begun(play('phone'));
    const stranger = await person('another-owner', 'boss', 'admin');
    expect(await idsOf(stranger)).toEqual([]);
    expect(await outcome(await limited(stranger, 'DELETE', `${DEVICES}/phone`))).toBe('404 not_found');
    expect(await outcome(await limited(await guest(video), 'GET', DEVICES))).toBe('403 forbidden');
    expect(await outcome(await limited(ANYONE, 'GET', DEVICES))).toBe('401 unauthorized');
    expect(await idsOf(anna)).toEqual(['phone']);
  });
});

describe('the cron', () => {
  test('forgets sessions a week after their end and devices half a year after their last play', async () => {
    const { anna, play } = await oneViewer();
    const [old, recent] = [await begun(play('phone')), await begun(play('tv'))];
    const day = 24 * 3600;
    const ended = env.DB.prepare('UPDATE sessions SET expires_at = unixepoch() - ? WHERE id = ?');
    await env.DB.batch([ended.bind(7 * day, old.sessionId), ended.bind(7 * day - 60, recent.sessionId)]);
    const seen = env.DB.prepare('UPDATE viewer_devices SET seen_at = unixepoch() - ? WHERE device_id = ?');
    await env.DB.batch([seen.bind(180 * day, 'phone'), seen.bind(180 * day - 60, 'tv')]);
    await pruneSessions(env.DB);
    await pruneDevices(env.DB);
    const renew = async (id: string) => outcome(await limited(anna, 'POST', `/v1/sessions/${id}/renew`));
    expect(await renew(old.sessionId)).toBe('404 not_found');
    expect(await renew(recent.sessionId)).toBe('200');
    expect(await idsOf(anna)).toEqual(['tv']);
  });
});

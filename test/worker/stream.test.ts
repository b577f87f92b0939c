import { afterEach, describe, expect, test, vi } from 'vitest';
import { STREAM_WINDOW_BYTES } from '../../shared/stream-api.ts';
import { noteRevoked } from '../../worker/playback/revocations.ts';
import { codeOf } from './api-client.ts';
import { playToken, publishVideo } from './playback-fixtures.ts';
import {
  bytesOfTrack,
  closeViewers,
  FILM_SECONDS,
  knockAtStream,
  publishFilm,
  readToEnd,
  storedTrack,
  type Viewer,
  view,
} from './stream-film.ts';

const film = await publishFilm();
afterEach(() => {
  vi.restoreAllMocks();
  closeViewers();
});
const viewing = async (claims: Parameters<typeof playToken>[1] = {}) => view(await playToken(film, claims));

function closed(viewer: Viewer, code: number, reason?: string): Promise<void> {
  const expected = expect.objectContaining(reason === undefined ? { code } : { code, reason });
  return vi.waitFor(() => expect(viewer.closes).toContainEqual(expected), { timeout: 20_000, interval: 5 });
}

const equal = (a: Uint8Array, b: Uint8Array) => expect(Buffer.compare(a, b)).toBe(0);

describe('a stream', () => {
  test('tells what there is, and sends what is stored, whole and in the order of time', async () => {
    const viewer = await viewing();
    const ready = await viewer.hears('ready');
    expect(ready).toMatchObject({ durationSeconds: FILM_SECONDS, windowBytes: STREAM_WINDOW_BYTES });
    expect(ready.video.map(({ name }) => name)).toEqual(['240p', '480p', '720p']);
    expect(ready.audio.map(({ name }) => name)).toEqual(['en', 'de']);
    viewer.say({ type: 'start', video: '480p', audio: 'de' });
    expect(await viewer.hears('at')).toEqual({
      ...{ type: 'at', epoch: 1, positionSeconds: 0, video: '480p', audio: 'de' },
    });
    await readToEnd(viewer, 1);
    equal(bytesOfTrack(viewer, 'video'), storedTrack(film, 'stream_480p'));
    equal(bytesOfTrack(viewer, 'audio'), storedTrack(film, 'audio_de'));
    const times = viewer.frames.map(({ seconds }) => seconds);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(viewer.frames.filter(({ isInit }) => isInit)).toHaveLength(2);
  });

  test('begins with the best that most connections carry, and the default sound', async () => {
    const viewer = await viewing();
    viewer.say({ type: 'start' });
    expect(await viewer.hears('at')).toMatchObject({ video: '720p', audio: 'en' });
  });

  test.each([
    [0, 0, 0],
    [5.99, 0, 2],
    [6, 1, 0],
    [9.3, 1, 1],
    [23.9, 3, 2],
    [500, 3, 2],
  ])(
    'from %d s on starts with the key frame before, in segment %d, fragment %d',
    async (at, segment, fragment) => {
      const viewer = await viewing();
      viewer.say({ type: 'start', video: '240p', positionSeconds: at });
      const positionSeconds = segment * 6 + fragment * 2;
      expect(await viewer.hears('at')).toMatchObject({ positionSeconds });
      await readToEnd(viewer, 1);
      equal(bytesOfTrack(viewer, 'video'), storedTrack(film, 'stream_240p', segment, fragment));
      equal(bytesOfTrack(viewer, 'audio'), storedTrack(film, 'audio_en', segment, fragment));
      for (const { seconds } of viewer.frames) expect(seconds).toBeGreaterThanOrEqual(positionSeconds);
    },
  );

  test('goes elsewhere when asked to, and marks what it sends from there on', async () => {
    const viewer = await viewing();
    viewer.say({ type: 'start', video: '720p' });
    viewer.say({ type: 'credit', bytes: 30_000 });
    await vi.waitFor(() => expect(viewer.receivedBytes()).toBe(30_000), { timeout: 20_000 });
    viewer.say({ type: 'seek', positionSeconds: 19 });
    await viewer.hears('at', { epoch: 2, positionSeconds: 18 });
    await readToEnd(viewer, 2);
    equal(bytesOfTrack(viewer, 'video', 2), storedTrack(film, 'stream_720p', 3, 0));
  });

  test('can be sought after its end', async () => {
    const viewer = await viewing();
    viewer.say({ type: 'start', positionSeconds: 22 });
    await readToEnd(viewer, 1);
    viewer.say({ type: 'seek', positionSeconds: 20 });
    await readToEnd(viewer, 2);
    equal(bytesOfTrack(viewer, 'audio', 2), storedTrack(film, 'audio_en', 3, 1));
  });

  test('changes quality and sound between fragments, behind a new init segment', async () => {
    const viewer = await viewing();
    viewer.say({ type: 'start', video: '240p' });
    viewer.say({ type: 'credit', bytes: 20_000 });
    await vi.waitFor(() => expect(viewer.receivedBytes()).toBe(20_000), { timeout: 20_000 });
    viewer.say({ type: 'switch', video: '720p', audio: 'de' });
    await viewer.hears('at', { epoch: 1, video: '720p', audio: 'de' });
    await readToEnd(viewer, 1);
    const video = viewer.frames.filter(({ track }) => track === 'video');
    const second = video.findLastIndex(({ isInit }) => isInit);
    const [before, after] = [video.slice(0, second), video.slice(second)];
    const low = bytesOfTrack({ frames: before }, 'video');
    equal(low, storedTrack(film, 'stream_240p').subarray(0, low.byteLength));
    // The fragment that was under way is whole, and the next is of the same moment on.
    const last = before.at(-1)!;
    expect(last.offsetBytes + last.payload.byteLength).toBe(last.sizeBytes);
    expect(after[1]!.seconds).toBe(last.seconds + 2);
    equal(bytesOfTrack({ frames: after }, 'video'), storedTrack(film, 'stream_720p', 0, 1));
  });

  test('waits while it is paused, and goes on where it was', async () => {
    const viewer = await viewing();
    viewer.say({ type: 'start', video: '240p' });
    viewer.say({ type: 'pause' });
    viewer.say({ type: 'credit', bytes: 50_000 });
    viewer.socket.send('ping');
    await vi.waitFor(() => expect(viewer.texts).toEqual(['pong']), { timeout: 20_000 });
    expect(viewer.frames).toEqual([]);
    viewer.say({ type: 'resume' });
    await vi.waitFor(() => expect(viewer.receivedBytes()).toBe(50_000), { timeout: 20_000 });
  });

  test('under Common Encryption comes as it is stored and says so; under AES-128 it is refused', async () => {
    const keyId = '0123456789abcdef0123456789abcdef';
    const cenc = await publishFilm({ protection: { scheme: 'cenc', keyId } });
    const viewer = await view(await playToken(cenc));
    expect((await viewer.hears('ready')).protection).toEqual({ scheme: 'cenc', keyId });
    const aes = await publishFilm({ protection: { scheme: 'aes-128' } });
    expect(await codeOf(await knockAtStream(await playToken(aes)))).toBe('stream_not_offered');
  });

  test('is there when the video is finished', async () => {
    const unfinished = await publishVideo();
    expect(await codeOf(await knockAtStream(await playToken(unfinished)))).toBe('video_not_playable');
  });
});

describe('the token', () => {
  test.each([
    ['expired', { exp: 1_600_000_000 }, 'playback_token_expired'],
    ['not yet valid', { nbf: 4_000_000_000 }, 'playback_token_invalid'],
  ])('that is %s opens nothing', async (_, claims, code) => {
    expect(await codeOf(await knockAtStream(await playToken(film, claims)))).toBe(code);
    await viewing();
  });

  test('is looked at again with all that is sent: revoked, the stream ends', async () => {
    const sid = crypto.randomUUID();
    const viewer = await viewing({ sid });
    viewer.say({ type: 'start' });
    viewer.say({ type: 'credit', bytes: 10_000 });
    await vi.waitFor(() => expect(viewer.receivedBytes()).toBe(10_000), { timeout: 20_000 });
    noteRevoked(sid, Date.now());
    viewer.say({ type: 'credit', bytes: 10_000 });
    await viewer.hears('error', { code: 'playback_session_revoked' });
    await closed(viewer, 4403, 'playback_session_revoked');
    expect(viewer.receivedBytes()).toBe(10_000);
  });

  test('runs out in the middle of a stream, unless a renewed one of the session comes', async () => {
    const sid = crypto.randomUUID();
    const soon = { sid, exp: Math.floor(Date.now() / 1000) + 20 };
    const [viewer, renewing] = [await viewing(soon), await viewing(soon)];
    for (const one of [viewer, renewing]) one.say({ type: 'start' });
    renewing.say({ type: 'token', token: await playToken(film, { sid, maxHeight: 480 }) });
    // By its lower cap it shows that it has been taken.
    await renewing.hears('at', { video: '480p' });
    vi.spyOn(Date, 'now').mockReturnValue((soon.exp + 1) * 1000);
    for (const one of [viewer, renewing]) one.say({ type: 'credit', bytes: 10_000 });
    await closed(viewer, 4401, 'playback_token_expired');
    await vi.waitFor(() => expect(renewing.receivedBytes()).toBe(10_000), { timeout: 20_000 });
  });

  test.each([
    ['session', async () => playToken(film, { sid: 'another' }), 'playback_outside_token'],
    ['video', async () => playToken(await publishFilm(), { sid: 'mine' }), 'playback_outside_token'],
    ['maker', async () => 'v1.k1.e30.AAAA', 'playback_token_invalid'],
  ])('of another %s renews nothing', async (_, otherToken, code) => {
    const viewer = await viewing({ sid: 'mine' });
    viewer.say({ type: 'token', token: await otherToken() });
    await viewer.hears('error', { code });
  });

  test('caps the quality, a renewed one too', async () => {
    const sid = crypto.randomUUID();
    const viewer = await viewing({ sid, maxHeight: 480 });
    expect((await viewer.hears('ready')).video.map(({ name }) => name)).toEqual(['240p', '480p']);
    viewer.say({ type: 'start', video: '480p' });
    await viewer.hears('at', { video: '480p' });
    viewer.say({ type: 'token', token: await playToken(film, { sid, maxHeight: 240 }) });
    await viewer.hears('at', { video: '240p' });
    viewer.say({ type: 'switch', video: '480p' });
    await viewer.hears('error', { code: 'stream_track_unknown' });
  });
});

describe('what is refused', () => {
  const start = { type: 'start' };
  test.each([
    ['no JSON', ['x'], 'invalid_request', 4400],
    ['an unknown type', [{ type: 'stop' }], 'invalid_request', 4400],
    ['a field too many', [{ type: 'pause', now: true }], 'invalid_request', 4400],
    ['a negative grant', [start, { type: 'credit', bytes: -1 }], 'invalid_request', 4400],
    ['a mark of no frame', [start, { type: 'credit', bytes: 1, mark: 7 }], 'invalid_request', 4400],
    ['a rendition there is none of', [{ type: 'start', video: '999p' }], 'stream_track_unknown', 4404],
    ['a sound there is none of', [{ type: 'start', audio: 'fr' }], 'stream_track_unknown', 4404],
    ['a seek before the start', [{ type: 'seek', positionSeconds: 1 }], 'stream_not_started', 4409],
    ['a switch before the start', [{ type: 'switch', video: '240p' }], 'stream_not_started', 4409],
    [
      'more credit than the window',
      [
        { type: 'credit', bytes: STREAM_WINDOW_BYTES },
        { type: 'credit', bytes: 1 },
      ],
      'stream_credit_exceeded',
      4409,
    ],
  ])('%s ends the stream with its code', async (_, messages, code, closeCode) => {
    const viewer = await viewing();
    for (const message of messages) {
      viewer.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    }
    await viewer.hears('error', { code });
    await closed(viewer, closeCode, code);
  });

  test('messages have a size and are text', async () => {
    const [long, binary, fitting] = [await viewing(), await viewing(), await viewing()];
    long.socket.send(JSON.stringify({ type: 'pause' }).padEnd(4097));
    await closed(long, 1009);
    binary.socket.send(new Uint8Array(4));
    await closed(binary, 1003);
    fitting.socket.send(JSON.stringify({ type: 'start' }).padEnd(4096));
    await fitting.hears('at');
  });

  test('a flood of messages ends the stream', async () => {
    const viewer = await viewing();
    for (let count = 0; count < 150; count++) viewer.socket.send('ping');
    await vi.waitFor(() => expect(viewer.texts).toHaveLength(150), { timeout: 20_000 });
    // More than it takes: the slower they come, the more are answered.
    for (let count = 0; count < 1500; count++) viewer.socket.send('ping');
    await closed(viewer, 4429, 'rate_limited');
  });

  test('a plain GET, and a fifth stream of one session until one has ended', async () => {
    const token = await playToken(film);
    expect(await codeOf(await knockAtStream(token, { Upgrade: 'h2c' }))).toBe('invalid_request');
    const viewers = await Promise.all(Array.from({ length: 4 }, () => view(token)));
    expect(await codeOf(await knockAtStream(token))).toBe('too_many_connections');
    viewers[0]!.socket.close(1000);
    await vi.waitFor(() => view(token), { timeout: 20_000 });
  });

  test('more than 24 streams in one isolate, all of which play, until one has ended', async () => {
    // Those of the tests before are still leaving.
    await vi.waitFor(
      async () => {
        closeViewers();
        for (let count = 0; count < 24; count++) await viewing();
      },
      { timeout: 20_000 },
    );
    const tooMany = await knockAtStream(await playToken(film));
    expect(await codeOf(tooMany)).toBe('too_many_connections');
    const token = await playToken(film);
    closeViewers();
    await vi.waitFor(() => view(token), { timeout: 20_000 });
  });

  test('nothing of 20 viewers at once: each gets the whole film', async () => {
    const viewers = await vi.waitFor(
      async () => {
        closeViewers();
        return await Promise.all(Array.from({ length: 20 }, () => viewing()));
      },
      { timeout: 20_000 },
    );
    for (const [index, viewer] of viewers.entries()) {
      viewer.say({ type: 'start', video: index % 2 === 0 ? '240p' : '480p' });
    }
    await Promise.all(viewers.map((viewer) => readToEnd(viewer, 1)));
    for (const [index, viewer] of viewers.entries()) {
      equal(
        bytesOfTrack(viewer, 'video'),
        storedTrack(film, index % 2 === 0 ? 'stream_240p' : 'stream_480p'),
      );
    }
  });
});

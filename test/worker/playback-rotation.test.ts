import { beforeAll, describe, expect, test } from 'vitest';
import { parseSigningKeys, signToken } from '../../shared/sign.ts';
import { ANYONE, begun, deployment, type Headers, person } from './playback-callers.ts';
import { outcome, type PublishedVideo, publishVideo } from './playback-fixtures.ts';

const OLD = 'k1:the-old-signing-secret-0123456789-0123';
const NEW = 'k2:the-new-signing-secret-0123456789-0123';
const before = deployment({ SIGNING_KEYS: OLD });
const announced = deployment({ SIGNING_KEYS: `${OLD},${NEW}` });
const during = deployment({ SIGNING_KEYS: `${NEW},${OLD}` });
const after = deployment({ SIGNING_KEYS: NEW });
const INVALID = '403 playback_token_invalid';

let video: PublishedVideo;
let anna: Headers;
beforeAll(async () => {
  video = await publishVideo();
  anna = await person(video.ownerId, 'anna');
});

async function urlFrom(deployed: typeof before): Promise<{ url: string; sessionId: string }> {
  const { hls, sessionId } = await begun(deployed(anna, 'POST', `/v1/videos/${video.id}/play`));
  return { url: hls!, sessionId };
}

const read = async (deployed: typeof before, url: string) => outcome(await deployed(ANYONE, 'GET', url));

describe('rotating the signing keys', () => {
  test('loses nobody: the new key is known before it signs, the old one until its tokens are over', async () => {
    const old = await urlFrom(before);
    expect(await read(before, old.url)).toBe('200');
    expect(await read(announced, old.url)).toBe('200');
    expect(await read(during, old.url)).toBe('200');
    const fresh = await urlFrom(during);
    expect(fresh.url).toContain('/p/v1.k2.');
    // Isolates that have not heard yet of the last step know the key all the same.
    expect(await read(announced, fresh.url)).toBe('200');
    expect(await read(after, fresh.url)).toBe('200');
  });

  test('ends with the removal of the old key, which opens nothing from then on', async () => {
    const { url, sessionId } = await urlFrom(announced);
    expect(url).toContain('/p/v1.k1.');
    expect(await read(during, url)).toBe('200');
    expect(await read(after, url)).toBe(INVALID);
    // Its session can be renewed, and goes on with the new key.
    const { hls } = await begun(after(anna, 'POST', `/v1/sessions/${sessionId}/renew`));
    expect(hls).toContain('/p/v1.k2.');
    expect(await read(after, hls!)).toBe('200');
  });

  test('holds for links to the watch page as well', async () => {
    const claims = { video: video.id, owner: video.ownerId, exp: Math.floor(Date.now() / 1000) + 60 };
    const token = await signToken('watch', claims, parseSigningKeys(OLD));
    const play = async (deployed: typeof before) =>
      outcome(await deployed({ Authorization: `Bearer ${token}` }, 'POST', `/v1/videos/${video.id}/play`));
    expect([await play(before), await play(during), await play(after)]).toEqual([
      '200',
      '200',
      '401 unauthorized',
    ]);
  });

  test('does not take a secret under the name of another', async () => {
    const { url } = await urlFrom(before);
    const renamed = deployment({ SIGNING_KEYS: `${NEW.replace('k2', 'k1')},${OLD.replace('k1', 'k2')}` });
    expect(await read(renamed, url)).toBe(INVALID);
  });
});

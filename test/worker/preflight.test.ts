import { describe, expect, it } from 'vitest';
import { KIB, PREFLIGHT_PIECE_BYTES } from '../../shared/limits.ts';
import { PreflightAnswer } from '../../shared/preflight-answer.ts';
import { smallMp4 } from '../support/small-mp4.ts';
import { clientOf, codeOf } from './api-client.ts';
import { apiUnder } from './api-under.ts';

const bodyOf = (bytes: Uint8Array) => ({ body: bytes as Uint8Array<ArrayBuffer> });
const urlOf = (sizeBytes: number | string) => `/v1/preflight?sizeBytes=${sizeBytes}`;

/** What `head -c 262144 FILE; tail -c 262144 FILE` prints. */
function twoEnds(file: Uint8Array): Uint8Array {
  const head = file.subarray(0, PREFLIGHT_PIECE_BYTES);
  const tail = file.subarray(Math.max(0, file.length - PREFLIGHT_PIECE_BYTES));
  const body = new Uint8Array(head.length + tail.length);
  body.set(head);
  body.set(tail, head.length);
  return body;
}

async function ask(file: Uint8Array, body = twoEnds(file)): Promise<PreflightAnswer> {
  const client = await clientOf('uploader');
  return PreflightAnswer.parse(await client.json(200, 'POST', urlOf(file.length), bodyOf(body)));
}

describe('POST /v1/preflight', () => {
  it('answers from the two ends of a file, however small it is', async () => {
    const sizes = [{}, { pictureBytes: 8 * KIB }, { pictureBytes: 40 * KIB }];
    for (const choices of sizes) {
      const file = smallMp4({ ...choices, order: ['mdat', 'moov'] });
      const answer = await ask(file);
      expect(answer, `${file.length} bytes`).toMatchObject({
        verdict: 'accepted',
        ...{ width: 320, height: 180, durationSeconds: 2, frameRate: 25 },
      });
    }
  });

  it('takes a whole small file as well as its overlapping ends', async () => {
    const file = smallMp4({ pictureBytes: 6 * KIB });
    expect(file.length).toBeGreaterThan(PREFLIGHT_PIECE_BYTES);
    expect(await ask(file, file)).toEqual(await ask(file));
  });

  it('tells a refusal as an answer, in the words of the later verdict', async () => {
    const zip = new TextEncoder().encode('PK\x03\x04 and so on');
    expect(await ask(zip)).toMatchObject({
      verdict: 'refused',
      reasons: [{ code: 'media_not_video', detail: expect.stringContaining('ZIP') }],
      instant: 'no',
    });
    expect(await ask(new Uint8Array())).toMatchObject({ reasons: [{ code: 'media_not_video' }] });
  });

  it('plans by the deployment’s own segment length', async () => {
    expect(await ask(smallMp4({ pictures: 500 }))).toMatchObject({ durationSeconds: 20, segmentCount: 4 });
  });

  it('plans by what the video would be created with', async () => {
    const client = await clientOf('uploader');
    const file = smallMp4({ pictures: 500 });
    const asked = (video: string) => `${urlOf(file.length)}&video=${encodeURIComponent(video)}`;
    const ladder = [{ shortSidePixels: 120, maxBitrateBps: 200_000 }];
    const plain = await client.json<PreflightAnswer>(200, 'POST', urlOf(file.length), bodyOf(file));
    const json = JSON.stringify({ title: 'Any', segmentSeconds: 4, ladder });
    const chosen = await client.json<PreflightAnswer>(200, 'POST', asked(json), bodyOf(file));
    expect([plain.segmentCount, chosen.segmentCount]).toEqual([4, 5]);
    expect(chosen.ladder?.map(({ name }) => name)).not.toEqual(plain.ladder?.map(({ name }) => name));
    expect(await client.code('POST', asked('{"segmentSeconds":99}'), bodyOf(file))).toBe('invalid_request');
    expect(await client.code('POST', asked('{'), bodyOf(file))).toBe('invalid_request');
  });

  it('is asked a number of times a minute, counted apart from creations', async () => {
    const file = smallMp4();
    const keys: string[] = [];
    const limited = (isAllowed: boolean) => ({
      RATE_LIMITS: 'on',
      CREATE_LIMIT: {
        limit: async ({ key }: { key: string }) => {
          keys.push(key);
          return { success: isAllowed };
        },
      },
    });
    const refused = await apiUnder(limited(false));
    const answer = await refused.ask('POST', urlOf(file.length), bodyOf(file));
    expect(answer.headers.get('Retry-After')).toBe('60');
    expect(await codeOf(answer)).toBe('rate_limited');
    expect(keys).toEqual([`preflight:${refused.ownerId}`]);
    const allowed = await apiUnder(limited(true));
    expect((await allowed.ask('POST', urlOf(file.length), bodyOf(file))).status).toBe(200);
  });

  it('is for those who may upload', async () => {
    const file = smallMp4();
    const viewer = await clientOf('viewer');
    expect(await viewer.code('POST', urlOf(file.length), bodyOf(file))).toBe('forbidden');
    const uploader = await clientOf('uploader');
    expect(await uploader.code('POST', urlOf(file.length), bodyOf(file))).toBe('status 200');
    const nobody = { ...bodyOf(file), headers: { Authorization: '' } };
    expect(await uploader.code('POST', urlOf(file.length), nobody)).toBe('unauthorized');
  });

  it('refuses a body above two pieces, not one of just that size', async () => {
    const client = await clientOf('uploader');
    const body = new Uint8Array(2 * PREFLIGHT_PIECE_BYTES + 1);
    body.set(smallMp4());
    expect(await client.code('POST', urlOf(10 ** 9), bodyOf(body))).toBe('upload_body_too_large');
    expect(await client.code('POST', urlOf(10 ** 9), bodyOf(body.subarray(1)))).toBe('status 200');
  });

  it.each(['', '-5', '1e3', '0x10', '9'.repeat(16)])('refuses sizeBytes=%j', async (size) => {
    const client = await clientOf('uploader');
    const file = smallMp4();
    expect(await client.code('POST', urlOf(size), bodyOf(file))).toBe('invalid_request');
    expect(await client.code('POST', urlOf(file.length), bodyOf(file))).toBe('status 200');
  });

  it('refuses pieces that cannot be of such a file', async () => {
    const client = await clientOf('uploader');
    const file = smallMp4();
    expect(await client.code('POST', urlOf(100), bodyOf(file.subarray(0, 201)))).toBe('invalid_request');
    expect(await client.code('POST', urlOf(100), bodyOf(file.subarray(0, 200)))).toBe('status 200');
    expect(await client.code('POST', urlOf(100), bodyOf(new Uint8Array()))).toBe('invalid_request');
    expect(await client.code('POST', urlOf(0), bodyOf(file.subarray(0, 1)))).toBe('invalid_request');
  });

  it('never answers 5xx, whatever the bytes', async () => {
    const client = await clientOf('uploader');
    const file = smallMp4();
    for (let at = 0; at < file.length; at += 97) {
      const broken = file.slice();
      new DataView(broken.buffer).setUint32(Math.min(at, broken.length - 4), 0xffffffff);
      const response = await client.call('POST', urlOf(broken.length), bodyOf(broken));
      expect(response.status).toBe(200);
      expect(PreflightAnswer.safeParse(await response.json()).success).toBe(true);
    }
  });
});

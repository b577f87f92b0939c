// Token attacks by the thousand, over every kind of file a token opens. `npm run bench -- attacks` makes ten times
// as many; ATTACKS and ATTACKS_SEED say how many and which.
import { createExecutionContext, env, waitOnExecutionContext } from 'cloudflare:test';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parseKeyEncryptionKeys } from '../../shared/key-encryption-keys.ts';
import { keyName } from '../../shared/object-keys.ts';
import { fromHex, toBase64Url } from '../../shared/sign.ts';
import { createApp } from '../../worker/app.ts';
import { issueKeys } from '../../worker/keys/store.ts';
import { noteRevoked } from '../../worker/playback/revocations.ts';
import { randomOf } from '../support/random.ts';
import {
  type Attack,
  type Guarded,
  type MediaRequest,
  nextAttack,
  onLicense,
  TRICK_NAMES,
} from '../support/token-attacks.ts';
import { KEYS, ORIGIN, type PublishedVideo, play, publishVideo } from './playback-fixtures.ts';
import { publishByJob } from './protected-fixtures.ts';

const COUNT = Number(env.ATTACKS);
const SEED = Number(env.ATTACKS_SEED);
const BATCH = 50;
const LICENSES_PER_BATCH = 2;

const NAMES = [
  ...['master.m3u8', 'manifest.mpd', 'stream_720p.m3u8', 'stream_720p_iframes.m3u8', 'audio_en.m3u8'],
  ...['stream_720p_init.mp4', 'stream_720p_000.m4s', 'stream_240p_000.m4s', 'audio_en_000.m4s'],
  ...['poster.jpg', 'thumb_000.jpg', 'storyboard.vtt', 'preview.webp', 'chapters.vtt', 'subtitles_en.vtt'],
];
const OBJECT_BYTES = 1000;
const KEY_BYTES = 16;

const app = createApp();
const context = createExecutionContext();
const lines: string[] = [];
let refusals = 0;
let guarded: Guarded;
let licenseRequest: string;

beforeAll(async () => {
  for (const level of ['info', 'warn', 'error'] as const) {
    // Ten thousand lines; what they must not hold is asked below.
    vi.spyOn(console, level).mockImplementation((line: string) => void lines.push(line));
  }
  const [video, foreign] = [await publishWithKeys(), await publishVideo()];
  const objects = [video, foreign].flatMap(({ prefix }) => NAMES.map((name) => prefix + name));
  await Promise.all(objects.map((key) => env.MEDIA.put(key, 'x'.repeat(OBJECT_BYTES))));
  const revokedSid = crypto.randomUUID();
  guarded = {
    ...{ keys: KEYS, names: [...NAMES, keyName(0)], sid: (await play(video)).sessionId, revokedSid },
    ...{ nowSeconds: Math.floor(Date.now() / 1000) },
    ...{ prefix: video.prefix, foreignPrefix: foreign.prefix },
  };
});

/** A generation with a key that is handed out by path, and one that comes in a licence. */
async function publishWithKeys(): Promise<PublishedVideo> {
  const { jobId, ...video } = await publishByJob('none');
  const keks = parseKeyEncryptionKeys(env.KEYS_KEK as string);
  await issueKeys(env.DB, keks, { jobId, scheme: 'aes-128' }, [0]);
  const [licensed] = await issueKeys(env.DB, keks, { jobId, scheme: 'cenc' }, [1]);
  const keyId = fromHex(licensed!.keyId);
  licenseRequest = JSON.stringify({ kids: [toBase64Url(keyId)] });
  return video;
}

afterAll(async () => {
  await waitOnExecutionContext(context);
  vi.restoreAllMocks();
});

async function send({ path, method, headers }: MediaRequest): Promise<Response> {
  noteRevoked(guarded.revokedSid, Date.now());
  const body = method === 'POST' ? { body: licenseRequest } : {};
  const request = new Request(ORIGIN + path, {
    method,
    headers,
    cf: { country: 'DE' },
    ...body,
  } as RequestInit);
  const response = await app.fetch(request, env as never, context as never);
  if (response.status >= 400) refusals++;
  return response;
}

/** What an attack got that it should not have; undefined for nothing. */
async function gainOf(response: Response, { method }: MediaRequest): Promise<string | undefined> {
  const body = await response.text();
  // What a preflight may ask for is no secret, and it is the same for every path.
  if (method === 'OPTIONS' && response.status === 204 && body === '') return undefined;
  const isRefusal = response.status >= 400 && response.status < 500;
  const isProblem = response.headers.get('Content-Type') === 'application/problem+json';
  const isSilent = !response.headers.has('ETag') && !response.headers.has('Content-Range');
  const isShort = method === 'HEAD' ? body === '' : body.startsWith('{') && body.length < OBJECT_BYTES;
  if (isRefusal && isProblem && isSilent && isShort) return undefined;
  return `${response.status} with ${body.length} bytes`;
}

/** How the untampered request fell short; undefined for not at all. */
async function lossOf(response: Response, request: MediaRequest): Promise<string | undefined> {
  const { byteLength } = await response.arrayBuffer();
  const [status, size] = expectedOf(request, byteLength);
  const isRight = response.status === status && byteLength === size;
  return isRight ? undefined : `${response.status} with ${byteLength} bytes`;
}

function expectedOf({ path, method, headers }: MediaRequest, licenseBytes: number): [number, number] {
  if (method === 'OPTIONS') return [204, 0];
  if (method === 'POST') return [200, Math.max(100, licenseBytes)];
  if (path.endsWith(keyName(0))) return [200, method === 'HEAD' ? 0 : KEY_BYTES];
  if (headers['If-None-Match']) return [304, 0];
  const isOneByte = /^bytes=(0-0|-1)$/.test(headers.Range ?? '');
  if (method === 'HEAD') return [200, 0];
  return isOneByte ? [206, 1] : [200, OBJECT_BYTES];
}

async function failuresOf(attacks: Attack[], withTwins: boolean): Promise<string[]> {
  const failures = await Promise.all(
    attacks.map(async ({ kind, attack, twin }) => {
      const gain = await gainOf(await send(attack), attack);
      const loss = withTwins ? await lossOf(await send(twin), twin) : undefined;
      return [
        ...(gain ? [`${kind}: ${attack.method} ${attack.path} got ${gain}`] : []),
        ...(loss ? [`without ${kind}: ${twin.method} ${twin.path} got ${loss}`] : []),
      ];
    }),
  );
  return failures.flat();
}

describe('a tampered token', () => {
  test(`opens nothing in ${COUNT} attacks, from a cold or a warm cache, and untampered opens all`, async () => {
    const random = randomOf(SEED);
    const kinds = new Set<string>();
    const failures: string[] = [];
    for (let made = 0; made < COUNT; made += BATCH) {
      const attacks: Attack[] = [];
      while (attacks.length < BATCH) attacks.push(await nextAttack(guarded, random));
      // Licences are asked of the database, so fewer of them.
      attacks.push(...attacks.slice(0, LICENSES_PER_BATCH).flatMap((attack) => onLicense(attack) ?? []));
      for (const { kind } of attacks) kinds.add(kind);
      // At first nothing is in the cache; each twin then leaves there what the next attack is after.
      failures.push(...(await failuresOf(attacks, made >= COUNT / 10)));
    }
    expect(failures.slice(0, 5), `seed ${SEED}: ${failures.length} failures`).toEqual([]);
    expect([...kinds]).toEqual(expect.arrayContaining(TRICK_NAMES));
    expect([...kinds].filter((kind) => kind.endsWith('on the licence')).length).toBeGreaterThan(8);
  }, 600_000);

  test('leaves no token in the log', () => {
    // A line for each refusal; the twins that were served, and preflights, have none.
    expect(refusals).toBeGreaterThan(COUNT / 2);
    expect(lines.length).toBeGreaterThanOrEqual(refusals);
    expect(lines.filter((line) => line.includes('/p/v1.') || /v1\.\w+\.\w{8}/.test(line))).toEqual([]);
  });
});

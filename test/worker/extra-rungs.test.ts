// Rungs of other codecs: asked for, listed under a cap as the ladder's are, and streamed as files like any other.
import { env } from 'cloudflare:test';
import { describe, expect, test } from 'vitest';
import { CreateUpload } from '../../shared/api.ts';
import { configOf } from '../../worker/env.ts';
import { planOptionsOf } from '../../worker/jobs/plan-options.ts';
import { isMediaName, rungOf } from '../../worker/playback/path.ts';
import { highestRung, withoutHigherRungs } from '../../worker/playback/quality-cap.ts';
import { recordOf } from '../../worker/watch/cmcd-parse.ts';

const ROWS = [{ encoder: 'libsvtav1' as const, shortSidePixels: 1080, maxBitrateBps: 3_000_000 }];
const configWith = (EXTRA_RUNGS: string) => configOf({ ...env, EXTRA_RUNGS } as unknown as typeof env);

describe('rungs of other codecs', () => {
  test('are the deployment’s where the video says nothing of them', () => {
    const deployment = configWith(JSON.stringify(ROWS));
    expect(planOptionsOf(deployment, '{}').extraRungs).toEqual(ROWS);
    expect(planOptionsOf(deployment, '{"extraRungs":[]}').extraRungs).toEqual([]);
    expect(planOptionsOf(configWith(''), '{}').extraRungs).toBeUndefined();
  });

  test.each(['no json', '[{"encoder":"libvpx","shortSidePixels":300,"maxBitrateBps":100000}]', '[{}]'])(
    'are refused at start as %s',
    (text) => {
      expect(() => configWith(text)).toThrow('EXTRA_RUNGS');
    },
  );

  test('are a field of an upload', () => {
    const upload = (extraRungs: unknown) =>
      CreateUpload.safeParse({ filename: 'a.mp4', sizeBytes: 1, method: 'single', video: { extraRungs } });
    expect(upload(ROWS).success).toBe(true);
    expect(upload([{ ...ROWS[0], encoder: 'libx264' }]).success).toBe(false);
  });

  test('have names that players may read, and count among the rungs of their height', () => {
    for (const name of ['stream_1080p-av1.m3u8', 'stream_1080p-hevc_init.mp4', 'stream_720p-av1_012.m4s']) {
      expect(isMediaName(name)).toBe(true);
    }
    expect(isMediaName('stream_720p-av1_iframes.m3u8')).toBe(true);
    expect(isMediaName('stream_720p-vp9_012.m4s')).toBe(false);
    expect(rungOf('stream_720p-av1_012.m4s')).toBe(720);
    const media = { sessionId: 's', name: 'stream_720p-hevc_012.m4s', atMs: 1 };
    expect(recordOf({}, media, null)).toMatchObject({ rung: '720p', segment: 12 });
  });

  test('above a viewer’s cap are in no manifest', () => {
    const renditions = [
      ...['360p', '720p', '720p-av1', '1080p-av1'].map((name) => ({
        name,
        height: Number.parseInt(name, 10),
      })),
    ];
    expect(highestRung(renditions, 800)).toBe(720);
    const master = renditions
      .map(({ name }) => `#EXT-X-STREAM-INF:BANDWIDTH=1\nstream_${name}.m3u8`)
      .join('\n');
    expect(withoutHigherRungs('master.m3u8', master, 720)).not.toContain('1080p-av1');
    expect(withoutHigherRungs('master.m3u8', master, 720)).toContain('stream_720p-av1.m3u8');
    expect(withoutHigherRungs('master.m3u8', master, 360).match(/stream_/g)).toHaveLength(1);
    const mpd = renditions
      .map(({ name }) => `<Representation id="stream_${name}"></Representation>`)
      .join('\n');
    expect(withoutHigherRungs('manifest.mpd', mpd, 720).match(/stream_[\w-]+/g)).toEqual([
      ...['stream_360p', 'stream_720p', 'stream_720p-av1'],
    ]);
  });
});

// What is encrypted, decrypted by others: Shaka Packager for Common Encryption, node:crypto for AES-128. Decoded
// pictures and sound must be those of the same job in the clear.
import { createDecipheriv } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ManifestTracks } from '../../shared/manifest-tracks.ts';
import { initName, playlistName, segmentName } from '../../shared/object-keys.ts';
import type { PlanOptions } from '../../shared/plan.ts';
import { protectedPlaylist } from '../../shared/protection-playlists.ts';
import { boxesIn } from '../../transcoder/isobmff/boxes.ts';
import { decryptInit } from '../../transcoder/isobmff/cenc-init.ts';
import { readSecrets } from '../../transcoder/isobmff/cenc-segment.ts';
import { makeClip } from '../support/media.ts';
import { decrypt, encrypt, frameHashes } from '../support/packager.ts';
import { contentKeyOf, JOB_PREFIX, runJobTask, runWholeJob, type WholeJob } from '../support/whole-job.ts';
import { memoryR2 } from './memory-r2.ts';

const LADDER = [{ shortSidePixels: 180, maxBitrateBps: 400_000 }];
const CLEAR: Partial<PlanOptions> = { ladder: LADDER, segmentSeconds: 2, preset: 'ultrafast' };
const STEMS = ['stream_180p', 'audio_und'];

let folder: string;
let clear: WholeJob;
let cenc: WholeJob;
let aes: WholeJob;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reelay-protection-'));
  const clip = await makeClip(join(folder, 'clip.mp4'), { seconds: 5 });
  clear = await runWholeJob(clip, { options: CLEAR });
  cenc = await runWholeJob(clip, { options: { ...CLEAR, protection: 'cenc' } });
  aes = await runWholeJob(clip, { options: { ...CLEAR, protection: 'aes-128', keyRotationSegments: 2 } });
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const stored = (job: WholeJob, name: string) => Buffer.from(job.r2.objects.get(JOB_PREFIX + name)!);
const namesOf = (job: WholeJob) => [...job.r2.objects.keys()].map((key) => key.replace(JOB_PREFIX, ''));
const segmentsOf = (job: WholeJob, stem: string) =>
  namesOf(job).filter((name) => name.startsWith(`${stem}_`) && name.endsWith('.m4s'));
const countsOf = (job: WholeJob) =>
  Object.fromEntries(job.certificate.checks.map(({ name, count }) => [name, count]));

describe('Common Encryption', () => {
  it.each(STEMS)('is undone by Shaka Packager to the very frames of the clear track: %s', async (stem) => {
    const path = join(folder, `cenc-${stem}.mp4`);
    await writeFile(path, cenc.trackBytes(stem));
    const type = stem.startsWith('audio') ? 'audio' : 'video';
    const decrypted = await decrypt(path, type, contentKeyOf(0));
    const plain = join(folder, `clear-${stem}.mp4`);
    await writeFile(plain, clear.trackBytes(stem));
    const frames = await frameHashes(decrypted);
    expect(frames.length).toBeGreaterThan(100);
    expect(frames).toEqual(await frameHashes(plain));
  });

  it('cannot be decrypted with another key', async () => {
    const path = join(folder, 'wrong.mp4');
    await writeFile(path, cenc.trackBytes('stream_180p'));
    const wrong = { ...contentKeyOf(0), key: contentKeyOf(1).key };
    const frames = await frameHashes(await decrypt(path, 'video', wrong));
    expect(frames).not.toEqual(await frameHashes(await decrypt(path, 'video', contentKeyOf(0))));
  });

  it('leaves the same bytes of a picture clear as Shaka Packager does', async () => {
    const plain = join(folder, 'plain.mp4');
    await writeFile(plain, clear.trackBytes('stream_180p'));
    const theirs = await encrypt(plain, 'video', contentKeyOf(0));
    const ours = cenc.trackBytes('stream_180p');
    expect(subsamplesIn(ours).length).toBe(150);
    expect(subsamplesIn(ours)).toEqual(subsamplesIn(theirs));
  });

  it('never uses an initialisation vector twice with its key', () => {
    const ivs = STEMS.flatMap((stem) =>
      secretsIn(cenc.trackBytes(stem)).map(({ iv }) => Buffer.from(iv).toString('hex')),
    );
    expect(ivs.length).toBeGreaterThan(350);
    expect(new Set(ivs).size).toBe(ivs.length);
  });

  it('has DASH and no HLS, and names its key where players look', () => {
    expect(namesOf(cenc).filter((name) => name.endsWith('.m3u8'))).toEqual([]);
    const { keyId } = contentKeyOf(0);
    expect(cenc.plan.protection).toEqual({ scheme: 'cenc', keyId });
    for (const stem of STEMS) expect(decryptInit(stored(cenc, initName(stem))).keyId).toBe(keyId);
    expect(cenc.text('manifest.mpd').replaceAll('-', '')).toContain(`cenc:default_KID="${keyId}"`);
    expect(cenc.presentation.protection).toBe('cenc');
    expect(countsOf(cenc)).toMatchObject({ 'content-protection': 2, 'frames-total': 1 });
    expect(countsOf(cenc)).not.toHaveProperty('variants-complete');
  });
});

describe('Common Encryption with a vendor', () => {
  it('has HLS too, whose lists name the very files that are stored, for all of their time', () => {
    const tracks = ManifestTracks.parse(JSON.parse(cenc.text('tracks.json')));
    const offer = { systems: [{ keySystem: 'com.widevine.alpha' as const }], contentId: 'v1' };
    const listOf = (name: string) => protectedPlaylist(tracks, name, offer)!;
    const variants = listOf('master.m3u8').match(/^[^#\n]+\.m3u8$|URI="[^"]+\.m3u8"/gm)!;
    expect(variants.map((line) => line.replace(/^URI="|"$/g, '')).sort()).toEqual(
      STEMS.map(playlistName).sort(),
    );
    for (const stem of STEMS) {
      const list = listOf(playlistName(stem));
      const named = list.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      expect(named).toEqual(segmentsOf(cenc, stem));
      expect(list).toContain(`#EXT-X-MAP:URI="${initName(stem)}"`);
      expect(list).toContain(`KEYID=0x${contentKeyOf(0).keyId}`);
      const seconds = [...list.matchAll(/#EXTINF:([\d.]+)/g)].reduce((sum, [, one]) => sum + Number(one), 0);
      expect(seconds).toBeCloseTo(5, 1);
    }
  });
});

describe('AES-128', () => {
  it.each(STEMS)('is undone by node:crypto to the very bytes of the clear track: %s', (stem) => {
    const names = segmentsOf(aes, stem);
    expect(names.length).toBe(3);
    expect(stored(aes, initName(stem)).equals(stored(clear, initName(stem)))).toBe(true);
    for (let index = 0; index < names.length; index++) {
      const iv = Buffer.alloc(16);
      iv.writeUInt32BE(index, 12);
      const { key } = contentKeyOf(Math.floor(index / 2));
      const decipher = createDecipheriv('aes-128-cbc', key, iv);
      const name = segmentName(stem, index);
      const bytes = Buffer.concat([decipher.update(stored(aes, name)), decipher.final()]);
      expect(bytes.equals(stored(clear, name)), name).toBe(true);
    }
  });

  it('has HLS without I-frame lists, and no DASH', () => {
    const manifests = namesOf(aes).filter((name) => /\.(?:m3u8|mpd)$/.test(name));
    expect(manifests.sort()).toEqual([...STEMS.map(playlistName), 'master.m3u8'].sort());
    expect(aes.text('master.m3u8')).not.toContain('I-FRAME');
    expect(aes.text('stream_180p.m3u8').match(/URI="key\/\d"/g)).toEqual(['URI="key/0"', 'URI="key/1"']);
    expect(aes.presentation.protection).toBe('aes-128');
    expect(countsOf(aes)).toMatchObject({ 'segment-keys': 2, 'variants-complete': 1 });
    expect(namesOf(clear)).toContain('manifest.mpd');
  });
});

describe('a protected job', () => {
  it('keeps what is stored, and reads its facts, where a segment is made a second time', async () => {
    for (const [job, options] of [
      [cenc, { ...CLEAR, protection: 'cenc' }],
      [aes, { ...CLEAR, protection: 'aes-128', keyRotationSegments: 2 }],
    ] as const) {
      const before = new Map(job.r2.objects);
      const facts = job.document('work/j1/chunk_0.json');
      await runJobTask(job.r2, 'chunk:0', { options });
      for (const [key, bytes] of before) {
        expect(Buffer.from(job.r2.objects.get(key)!).equals(Buffer.from(bytes)), key).toBe(true);
      }
      expect(job.document('work/j1/chunk_0.json')).toBe(facts);
    }
  });

  it('is refused its certificate where a stored segment is in the clear', async () => {
    for (const [job, options] of [
      [cenc, { ...CLEAR, protection: 'cenc' }],
      [aes, { ...CLEAR, protection: 'aes-128', keyRotationSegments: 2 }],
    ] as const) {
      const key = JOB_PREFIX + segmentName('stream_180p', 0);
      const sealed = job.r2.objects.get(key)!;
      expect(countsOf(job)['bytes-unchanged']).toBe(2 + 2 * 3); // the twin, which is encrypted throughout
      job.r2.objects.set(key, stored(clear, segmentName('stream_180p', 0)));
      await expect(runJobTask(job.r2, 'finish', { options })).rejects.toMatchObject({
        code: 'verification_failed',
      });
      job.r2.objects.set(key, sealed);
    }
  });

  it.each(['none', 'cenc', 'aes-128'] as const)(
    'is copied only where it is in the clear: %s',
    async (protection) => {
      const r2 = memoryR2({ 'sources/v1/u1': clear.r2.objects.get('sources/v1/u1')! });
      // Under such a ladder the clip is good to be played as it is.
      const ladder = [{ shortSidePixels: 180, maxBitrateBps: 5_000_000 }];
      const options = { ...CLEAR, ladder, protection };
      const planned = await runJobTask(r2, 'plan', { options });
      const isCopied = planned.kind === 'planned' && planned.summary.instantSegments !== undefined;
      expect(isCopied).toBe(protection === 'none');
      expect([...r2.objects.keys()].some((key) => key.includes('-instant/'))).toBe(isCopied);
    },
  );

  it('has its pictures in the clear, as the clear twin has', () => {
    for (const job of [cenc, aes]) {
      expect(job.presentation).toMatchObject({ hasPoster: true, hasPreview: true, hasStoryboard: true });
      expect(job.text('storyboard.vtt')).toBe(clear.text('storyboard.vtt'));
    }
  });
});

function secretsIn(track: Buffer) {
  return boxesIn(track)
    .filter(({ type }) => type === 'moof')
    .flatMap(({ start, end }) => readSecrets(track.subarray(start, end)));
}

function subsamplesIn(track: Buffer) {
  return secretsIn(track).map(({ subsamples }) => subsamples);
}

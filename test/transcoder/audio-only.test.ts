// Files that hold only sound: refused with a sentence that names the option, and with the option published as sound.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Parser } from 'm3u8-parser';
import { parse as parseMpd } from 'mpd-parser';
import { beforeAll, describe, expect, test } from 'vitest';
import { ffmpeg, makeFolder } from '../support/media.ts';
import { decodeSound, lagSeconds, soundSeconds } from '../support/pictures.ts';
import { runWholeJob } from '../support/whole-job.ts';

const OPTIONS = { preset: 'ultrafast', segmentSeconds: 2, audioOnly: true } as const;
const SWEEP = ['-f', 'lavfi', '-i', 'aevalsrc=0.4*sin(2*PI*(100+60*t)*t):s=48000:d=7'];
const COVER = ['-f', 'lavfi', '-i', 'testsrc=s=64x64:d=0.04'];
let folder: string;
beforeAll(async () => {
  folder = await makeFolder('audio-only');
});

async function make(name: string, args: string[]): Promise<string> {
  const path = join(folder, name);
  await ffmpeg([...args, path]);
  return path;
}

test('is refused, and the sentence says what to do about it', async () => {
  const path = await make('refused.m4a', [...SWEEP, '-c:a', 'aac']);
  await expect(runWholeJob(path, { options: { ...OPTIONS, audioOnly: false } })).rejects.toMatchObject({
    code: 'media_no_video_stream',
    detail: expect.stringMatching(/^The file holds only sound, .* audioOnly .*\.$/),
  });
  await expect(runWholeJob(path, { options: OPTIONS })).resolves.toBeDefined();
});

describe('is published as HLS and DASH without pictures', () => {
  test.each<[string, string[]]>([
    ['mono.m4a', [...SWEEP, '-c:a', 'aac', '-ac', '1']],
    ['copied.m4a', [...SWEEP, '-c:a', 'aac', '-ac', '2']],
    ['cover.m4a', [...SWEEP, ...COVER, '-c:a', 'aac', '-c:v', 'mjpeg', '-disposition:v:0', 'attached_pic']],
    ['opus.webm', [...SWEEP, '-c:a', 'libopus']],
    ['vorbis.ogg', [...SWEEP, '-c:a', 'libvorbis', '-ac', '2']],
    ['sound.ts', [...SWEEP, '-c:a', 'aac', '-ac', '2']],
  ])('%s', async (name, args) => {
    const path = await make(name, args);
    const job = await runWholeJob(path, { options: OPTIONS });
    const { presentation, plan, summary } = job;
    expect(summary).toMatchObject({ chunks: [], audioTracks: 1 });
    expect(presentation).toMatchObject({
      renditions: [],
      audio: [{ codecs: 'mp4a.40.2' }],
      hasPoster: false,
    });
    expect(presentation).not.toHaveProperty('width');
    expect(presentation.durationSeconds).toBeCloseTo(7, 0);

    const parser = new Parser();
    parser.push(job.text('master.m3u8'));
    parser.end();
    expect(parser.manifest.playlists).toMatchObject([
      { uri: 'audio_und.m3u8', attributes: { CODECS: 'mp4a.40.2', AUDIO: 'audio' } },
    ]);
    expect(parser.manifest.playlists?.[0]?.attributes).not.toHaveProperty('RESOLUTION');
    expect(job.text('audio_und.m3u8').match(/#EXTINF/g)!.length).toBeGreaterThanOrEqual(3);
    const mpd = parseMpd(job.text('manifest.mpd'), { manifestUri: 'http://x/manifest.mpd' });
    expect(Object.keys(mpd.mediaGroups.AUDIO?.audio ?? {})).toHaveLength(1);

    const stored = join(folder, 'stored.mp4');
    await writeFile(stored, job.trackBytes('audio_und'));
    const source = await decodeSound(path, String(plan.audio[0]!.streamIndex), plan.source.zeroSeconds!);
    const sound = await decodeSound(stored, 'a:0', 0);
    expect(Math.abs(soundSeconds(sound) - soundSeconds(source))).toBeLessThan(0.1);
    expect(Math.abs(lagSeconds(source, sound)!.seconds)).toBeLessThan(0.025);
  });

  test('two languages are two tracks of one variant', async () => {
    const two = [
      '-map',
      '0',
      '-map',
      '0',
      '-metadata:s:a:0',
      'language=eng',
      '-metadata:s:a:1',
      'language=deu',
    ];
    const job = await runWholeJob(await make('two.m4a', [...SWEEP, ...two, '-c:a', 'aac']), {
      options: OPTIONS,
    });
    const master = job.text('master.m3u8');
    expect(master.match(/#EXT-X-STREAM-INF/g)).toHaveLength(1);
    expect(master).toMatch(/\naudio_en\.m3u8\n/);
    expect(master.match(/TYPE=AUDIO/g)).toHaveLength(2);
  });
});

test('a file whose only sound is broken is refused after all', async () => {
  const path = await make('broken.m4a', [...SWEEP, '-c:a', 'aac']);
  const bytes = await readFile(path);
  bytes.fill(0xff, bytes.indexOf('mdat') + 4, bytes.lastIndexOf('moov') - 4);
  await writeFile(path, bytes);
  await expect(runWholeJob(path, { options: OPTIONS })).rejects.toMatchObject({ code: 'media_malformed' });
});

// Good streams to certify and to break: ours, made by our own stages, and what ffmpeg's hls muxer makes.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packagePresentation } from '../../transcoder/stages/package.ts';
import { makeFinishedJob, OUTPUT_PREFIX } from './finished-job.ts';
import { ffmpeg, makeFolder } from './media.ts';
import type { StreamFiles } from './stream-server.ts';

const SUBTITLES =
  'WEBVTT\n\n00:00.500 --> 00:02.000\nA moving test picture\n\n00:03.000 --> 00:04.500 line:0\nwith a tone\n';
const SUBTITLE_PLAYLIST =
  '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:5\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:5.000000,\nsubs.vtt\n#EXT-X-ENDLIST\n';
const SUBTITLE_GROUP =
  '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI="subs.m3u8"';

/** Two rungs, sound, I-frame lists, picture sheets and subtitles, in HLS and DASH. */
export async function ownStream(): Promise<StreamFiles> {
  const { plan, facts, r2 } = await makeFinishedJob();
  const files: StreamFiles = new Map();
  for (const [key, bytes] of r2.objects) files.set(key.slice(OUTPUT_PREFIX.length), { bytes });
  const { documents } = packagePresentation(plan, facts);
  for (const { name, body } of documents) files.set(name, { bytes: Buffer.from(body) });
  const master = documents.find(({ name }) => name === 'master.m3u8')!.body;
  const subtitled = master
    .replaceAll(/(#EXT-X-STREAM-INF:.*)/g, '$1,SUBTITLES="text"')
    .replace('#EXT-X-STREAM-INF', `${SUBTITLE_GROUP}\n#EXT-X-STREAM-INF`);
  files.set('master.m3u8', { bytes: Buffer.from(subtitled) });
  files.set('subs.m3u8', { bytes: Buffer.from(SUBTITLE_PLAYLIST) });
  files.set('subs.vtt', { bytes: Buffer.from(SUBTITLES) });
  return files;
}

const INPUTS = [
  ...['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=4'],
  ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=4'],
];
const ENCODING = [
  ...['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p'],
  ...['-g', '25', '-keyint_min', '25', '-sc_threshold', '0', '-s:v:1', '160x90'],
  // ffmpeg writes the wanted rate as BANDWIDTH, so the wanted rate is above what the buffer allows.
  ...['-b:v:0', '900k', '-maxrate:v:0', '400k', '-bufsize:v:0', '200k'],
  ...['-b:v:1', '500k', '-maxrate:v:1', '150k', '-bufsize:v:1', '75k'],
  ...['-c:a', 'aac', '-b:a', '64k', '-hls_time', '1', '-hls_playlist_type', 'vod'],
  ...['-master_pl_name', 'master.m3u8', '-f', 'hls'],
];

/** Fragmented MP4 by ffmpeg, with the sound in a group. */
export function ffmpegFmp4Stream(): Promise<StreamFiles> {
  return ffmpegStream([
    ...['-map', '0:v', '-map', '0:v', '-map', '1:a', ...ENCODING, '-hls_segment_type', 'fmp4'],
    ...['-var_stream_map', 'v:0,agroup:a v:1,agroup:a a:0,agroup:a,default:yes,language:en'],
    ...['-hls_fmp4_init_filename', 'init%v.mp4', '-hls_segment_filename', 's%v_%03d.m4s'],
  ]);
}

/** MPEG-TS by ffmpeg, the sound in the segments of the picture. */
export function ffmpegTsStream(options: string[] = []): Promise<StreamFiles> {
  return ffmpegStream([
    ...['-map', '0:v', '-map', '1:a', '-map', '0:v', '-map', '1:a', ...ENCODING, ...options],
    ...['-var_stream_map', 'v:0,a:0 v:1,a:1', '-hls_segment_filename', 's%v_%03d.ts'],
  ]);
}

/** The same under AES-128. Its key is served as `key.bin`. */
export async function encryptedTsStream(): Promise<StreamFiles> {
  const folder = await makeFolder('key');
  const key = Buffer.alloc(16, 7);
  await writeFile(join(folder, 'key.bin'), key);
  await writeFile(join(folder, 'key.info'), `key.bin\n${join(folder, 'key.bin')}\n`);
  const files = await ffmpegTsStream(['-hls_key_info_file', join(folder, 'key.info')]);
  files.set('key.bin', { bytes: key });
  return files;
}

async function ffmpegStream(args: string[]): Promise<StreamFiles> {
  const folder = await makeFolder('stranger');
  await ffmpeg([
    ...INPUTS,
    ...args.map((one) => (one.startsWith('s%v') ? join(folder, one) : one)),
    join(folder, 'out%v.m3u8'),
  ]);
  const names = await readdir(folder);
  const files = names.map(async (name) => [name, { bytes: await readFile(join(folder, name)) }] as const);
  return new Map(await Promise.all(files));
}

// Good streams to certify and to break: ours, made by our own stages, and what ffmpeg's hls muxer makes.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { requireBox } from '../../transcoder/isobmff/boxes.ts';
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

/** An MPD of ffmpeg's dash muxer. */
export async function ffmpegDashStream(): Promise<StreamFiles> {
  const folder = await makeFolder('stranger');
  const options = [...ENCODING.slice(0, ENCODING.indexOf('-hls_time')), '-seg_duration', '1', '-f', 'dash'];
  await ffmpeg([
    ...INPUTS,
    '-map',
    '0:v',
    '-map',
    '0:v',
    '-map',
    '1:a',
    ...options,
    join(folder, 'manifest.mpd'),
  ]);
  return filesOf(folder);
}

/** One file for each track, its segments found by an index at its start (the on-demand profile). */
export async function onDemandStream(): Promise<StreamFiles> {
  const folder = await makeFolder('on-demand');
  const options = [
    ...ENCODING.slice(0, ENCODING.indexOf('-hls_time')),
    '-movflags',
    '+dash+global_sidx+frag_keyframe',
  ];
  await ffmpeg([...INPUTS, '-map', '0:v', ...options, '-f', 'mp4', join(folder, 'video.mp4')]);
  const files = await filesOf(folder);
  const bytes = files.get('video.mp4')!.bytes;
  const sidx = requireBox(bytes, 'sidx');
  const mpd = `<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" type="static"
  mediaPresentationDuration="PT4S" minBufferTime="PT2S"><Period><AdaptationSet mimeType="video/mp4">
  <Representation id="v" codecs="avc1.64000c" bandwidth="900000" width="320" height="180"><BaseURL>video.mp4</BaseURL>
  <SegmentBase indexRange="${sidx.start}-${sidx.end - 1}"><Initialization range="0-${sidx.start - 1}"/></SegmentBase>
  </Representation></AdaptationSet></Period></MPD>`;
  return files.set('manifest.mpd', { bytes: Buffer.from(mpd) });
}

/** TS by ffmpeg under AES-128. Its key is served as `key.bin`. */
export async function encryptedTsStream(): Promise<StreamFiles> {
  const folder = await makeFolder('key');
  const key = Buffer.alloc(16, 7);
  await writeFile(join(folder, 'key.bin'), key);
  await writeFile(join(folder, 'key.info'), `key.bin\n${join(folder, 'key.bin')}\n`);
  const files = await ffmpegTsStream(['-hls_key_info_file', join(folder, 'key.info')]);
  await rm(folder, { recursive: true });
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
  return filesOf(folder);
}

/** What is in a folder, which is removed. */
async function filesOf(folder: string): Promise<StreamFiles> {
  const names = await readdir(folder);
  const files = names.map(async (name) => [name, { bytes: await readFile(join(folder, name)) }] as const);
  const read = new Map(await Promise.all(files));
  await rm(folder, { recursive: true });
  return read;
}

// What gzip makes of segments and of playlists: bytes saved, and the CPU time they cost.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ffmpeg } from '../test/support/media.ts';

const LEVEL = 6;
const CLIP_SECONDS = 24;
const SEGMENT_SECONDS = 6;

export type GzipRow = { what: string; bytes: number; savedPercent: number; cpuMsPerMegabyte: number };

/** A fractal flight with noise in it and pink noise to hear: as little of a pattern as a film has. */
export async function measureGzip(folder: string): Promise<GzipRow[]> {
  await ffmpeg([
    ...['-f', 'lavfi', '-i', `mandelbrot=size=1280x720:rate=30,noise=alls=8:allf=t`],
    ...['-f', 'lavfi', '-i', 'anoisesrc=color=pink:sample_rate=48000:amplitude=0.3'],
    ...['-t', String(CLIP_SECONDS), '-map', '0:v', '-map', '1:a', '-c:v', 'libx264', '-preset', 'veryfast'],
    ...['-b:v', '2800k', '-maxrate', '2800k', '-bufsize', '5600k', '-pix_fmt', 'yuv420p', '-g', '180'],
    ...['-c:a', 'aac', '-b:a', '128k', '-f', 'hls', '-hls_time', String(SEGMENT_SECONDS)],
    ...[
      '-hls_segment_type',
      'fmp4',
      '-hls_playlist_type',
      'vod',
      '-var_stream_map',
      'v:0,agroup:a a:0,agroup:a',
    ],
    ...['-hls_segment_filename', join(folder, 'seg_%v_%d.m4s'), join(folder, 'list_%v.m3u8')],
  ]);
  const files = await readdir(folder);
  const bytesOf = async (pattern: RegExp) =>
    Promise.all(files.filter((name) => pattern.test(name)).map((name) => readFile(join(folder, name))));
  const playlist = (await bytesOf(/^list_0\.m3u8$/))[0] ?? Buffer.alloc(0);
  return [
    gzipOf('video segments (H.264, 2.8 Mbit/s)', await bytesOf(/^seg_0_\d+\.m4s$/)),
    gzipOf('audio segments (AAC, 128 kbit/s)', await bytesOf(/^seg_1_\d+\.m4s$/)),
    gzipOf('a playlist of 1,200 segments', [longPlaylist(playlist.toString())]),
  ];
}

/** The playlist of two hours, from that of a few seconds. */
function longPlaylist(text: string): Buffer {
  const line = (index: number) => `#EXTINF:6.000000,\nseg_0_${index}.m4s\n`;
  const head = text.slice(0, text.indexOf('#EXTINF'));
  return Buffer.from(
    `${head}${Array.from({ length: 1200 }, (_, index) => line(index)).join('')}#EXT-X-ENDLIST\n`,
  );
}

function gzipOf(what: string, pieces: Buffer[]): GzipRow {
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  for (const piece of pieces) gzipSync(piece, { level: LEVEL }); // warms up
  const before = process.cpuUsage();
  const packed = pieces.reduce((sum, piece) => sum + gzipSync(piece, { level: LEVEL }).length, 0);
  const { user, system } = process.cpuUsage(before);
  return {
    what,
    bytes,
    savedPercent: 100 * (1 - packed / bytes),
    cpuMsPerMegabyte: (user + system) / 1000 / (bytes / 1e6),
  };
}

// Reads a published stream the way a strict player would: every playlist, every segment, through ffprobe.
import { readFile } from 'node:fs/promises';
import { ffprobe } from './media.ts';

export type MediaPlaylist = { url: string; initUrl: string; segments: { url: string; seconds: number }[] };
export type Variant = { attributes: Record<string, string>; playlist: MediaPlaylist };
export type Published = {
  variants: Variant[];
  audio: { attributes: Record<string, string>; playlist: MediaPlaylist }[];
};

export async function readHls(masterUrl: string): Promise<Published> {
  const lines = (await textOf(masterUrl)).split('\n');
  const variants: Variant[] = [];
  const audio: Published['audio'] = [];
  for (const [index, line] of lines.entries()) {
    if (line.startsWith('#EXT-X-STREAM-INF:')) {
      const playlist = await readPlaylist(new URL(lines[index + 1]!, masterUrl).href);
      variants.push({ attributes: attributesOf(line), playlist });
    }
    if (line.startsWith('#EXT-X-MEDIA:')) {
      const attributes = attributesOf(line);
      audio.push({ attributes, playlist: await readPlaylist(new URL(attributes.URI!, masterUrl).href) });
    }
  }
  return { variants, audio };
}

async function readPlaylist(url: string): Promise<MediaPlaylist> {
  const lines = (await textOf(url)).split('\n');
  const map = lines.find((line) => line.startsWith('#EXT-X-MAP:'));
  const segments = lines.flatMap((line, index) =>
    line.startsWith('#EXTINF:')
      ? [{ seconds: Number.parseFloat(line.slice(8)), url: new URL(lines[index + 1]!, url).href }]
      : [],
  );
  return { url, initUrl: new URL(attributesOf(map!).URI!, url).href, segments };
}

export function attributesOf(line: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name, value] of line.matchAll(/([A-Z0-9-]+)=("[^"]*"|[^",]+)/g)) {
    attributes[name!] = value!.replaceAll('"', '');
  }
  return attributes;
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} for ${new URL(url).pathname.split('/').at(-1)}`);
  return response.text();
}

export type Packet = { dts: number; pts: number; isKey: boolean };

/** Every packet of a media playlist's first video stream, in file order, as ffprobe reads it over HLS. */
export async function packetsOf(playlistUrl: string): Promise<Packet[]> {
  const entries = 'packet=pts_time,dts_time,flags';
  const text = await ffprobe([
    '-select_streams',
    'v:0',
    '-show_entries',
    entries,
    '-of',
    'csv=p=0',
    playlistUrl,
  ]);
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [pts, dts, flags] = line.split(',');
      return { pts: Number(pts), dts: Number(dts), isKey: (flags ?? '').includes('K') };
    });
}

export async function frameCountOf(path: string): Promise<number> {
  const text = await ffprobe([
    ...[
      '-select_streams',
      'v:0',
      '-count_frames',
      '-show_entries',
      'stream=nb_read_frames',
      '-of',
      'csv=p=0',
    ],
    path,
  ]);
  return Number.parseInt(text, 10);
}

/** Bits per second of every segment, measured from the bytes served. */
export async function measuredBitrates(
  playlist: MediaPlaylist,
): Promise<{ peakBps: number; averageBps: number }> {
  let bits = 0;
  let seconds = 0;
  let peakBps = 0;
  for (const segment of playlist.segments) {
    const body = await (await fetch(segment.url)).arrayBuffer();
    bits += body.byteLength * 8;
    seconds += segment.seconds;
    peakBps = Math.max(peakBps, (body.byteLength * 8) / segment.seconds);
  }
  return { peakBps, averageBps: bits / seconds };
}

export async function readmeCommands(marker: string): Promise<string> {
  const readme = await readFile('README.md', 'utf8');
  const block = new RegExp(`<!-- ${marker} -->\\s*\`\`\`sh\\n([\\s\\S]*?)\`\`\``).exec(readme);
  if (!block) throw new Error(`README.md has no block marked ${marker}`);
  return block[1]!;
}

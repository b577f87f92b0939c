// Clips for tests: generated with lavfi, or read in place from the shared corpus where it exists.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Folder of real files beside the checkout, or undefined in a clone without it. */
export const CORPUS: string | undefined = [resolve('../shared/media')].find(existsSync);

if (!CORPUS)
  console.warn('../shared/media is absent: tests on real files are skipped, generated clips remain');

export async function makeFolder(label: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `reelay-${label}-`));
}

export type ClipOptions = {
  seconds: number;
  size?: string;
  rate?: string;
  hasAudio?: boolean;
  /** x264 bitrate such as `2M`; default is CRF 23. */
  bitrate?: string;
};

/** A moving test picture with a sine tone, H.264 + AAC in MP4. */
export async function makeClip(path: string, options: ClipOptions): Promise<string> {
  const { seconds, size = '320x180', rate = '30', hasAudio = true, bitrate } = options;
  const inputs = ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=${rate}:duration=${seconds}`];
  if (hasAudio) inputs.push('-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${seconds}`);
  const quality = bitrate
    ? ['-b:v', bitrate, '-minrate', bitrate, '-maxrate', bitrate, '-bufsize', bitrate]
    : [];
  await ffmpeg([
    ...inputs,
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '60', ...quality],
    ...(hasAudio ? ['-c:a', 'aac', '-shortest'] : []),
    path,
  ]);
  return path;
}

export async function ffmpeg(args: string[]): Promise<void> {
  await run('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...args], { maxBuffer: 64 * 1024 * 1024 });
}

export async function ffprobe(args: string[]): Promise<string> {
  const { stdout } = await run('ffprobe', ['-v', 'error', ...args], { maxBuffer: 256 * 1024 * 1024 });
  return stdout;
}

// The demo of `npm start`: a generated clip goes the whole way, through the same client as `reelay upload`.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ApiClient } from '../transcoder/cli/api-client.ts';
import { playRows, showUpload } from '../transcoder/cli/show-upload.ts';
import type { Home } from './home.ts';
import { line, row } from './setup/screen.mjs';

const run = promisify(execFile);

const CLIP_SECONDS = 12;

/** The clip, made once per state directory. @returns its path */
export async function ensureDemoClip(home: Home, signal: AbortSignal): Promise<string> {
  const path = join(home.directory, `demo-${CLIP_SECONDS}s.mp4`);
  if (existsSync(path)) return path;
  await mkdir(home.directory, { recursive: true });
  const draft = `${path}.part`;
  await run('ffmpeg', clipArguments(draft), { signal });
  await rename(draft, path);
  return path;
}

/** Prints where to play the clip; the last line is the watch link. */
export async function runDemo(path: string, client: ApiClient, signal: AbortSignal): Promise<void> {
  const { size } = await stat(path);
  row('clip', `${CLIP_SECONDS} s of 1280x720, generated`);
  const request = { path, sizeBytes: size, method: 'auto' as const, video: { title: 'Demo' } };
  const shown = await showUpload(client, request, { signal });
  line();
  console.log(playRows(shown).join('\n'));
}

/** A moving gradient under a test pattern with a running counter, and a soft beeping tone. */
function clipArguments(path: string): string[] {
  const picture = `gradients=size=320x180:rate=30:duration=${CLIP_SECONDS}:speed=0.02:n=4`;
  const pattern = `testsrc2=size=480x270:rate=30:duration=${CLIP_SECONDS}`;
  const tone = `sine=frequency=220:beep_factor=4:sample_rate=48000:duration=${CLIP_SECONDS}`;
  const graph = [
    '[0:v]scale=1280:720[picture]',
    '[picture][1:v]overlay=(W-w)/2:(H-h)/2,format=yuv420p[v]',
    '[2:a]volume=0.4[a]',
  ];
  return [
    ...['-nostdin', '-v', 'error', '-y'],
    ...['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', pattern, '-f', 'lavfi', '-i', tone],
    ...['-filter_complex', graph.join(';'), '-map', '[v]', '-map', '[a]'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '20', '-g', '60'],
    ...['-c:a', 'aac', '-b:a', '128k', '-movflags', '+faststart', '-f', 'mp4', path],
  ];
}

// The demo of `npm start`: a generated clip goes the whole way, through the same client as `reelay upload`.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createApiClient } from '../transcoder/cli/api-client.ts';
import { playRows, showUpload } from '../transcoder/cli/show-upload.ts';
import { line, row } from './setup/screen.mjs';

const run = promisify(execFile);

const CLIP_SECONDS = 12;

/** Prints where to play the clip; the last line is the watch link. */
export async function runDemo(url: string, token: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'reelay-demo-'));
  try {
    const path = join(folder, 'demo.mp4');
    const startedAtMs = Date.now();
    await generateClip(path);
    row('clip', `${CLIP_SECONDS} s, 1280x720, generated`, startedAtMs);
    const { size } = await stat(path);
    const client = createApiClient(url, token);
    const shown = await showUpload(client, {
      path,
      sizeBytes: size,
      method: 'auto',
      video: { title: 'Demo' },
    });
    line();
    console.log(playRows(shown).join('\n'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A moving gradient under a test pattern's counter, with two soft tones. */
async function generateClip(path: string): Promise<void> {
  const picture = `gradients=size=1280x720:rate=30:duration=${CLIP_SECONDS}:speed=0.02:n=4`;
  const pattern = `testsrc2=size=480x270:rate=30:duration=${CLIP_SECONDS}`;
  const tone = `sine=frequency=220:beep_factor=4:sample_rate=48000:duration=${CLIP_SECONDS}`;
  await run('ffmpeg', [
    ...['-nostdin', '-v', 'error', '-y'],
    ...['-f', 'lavfi', '-i', picture, '-f', 'lavfi', '-i', pattern, '-f', 'lavfi', '-i', tone],
    ...['-filter_complex', '[0:v][1:v]overlay=(W-w)/2:(H-h)/2,format=yuv420p[v];[2:a]volume=0.4[a]'],
    ...['-map', '[v]', '-map', '[a]', '-c:v', 'libx264', '-preset', 'ultrafast', '-crf', '20', '-g', '60'],
    ...['-c:a', 'aac', '-b:a', '128k', '-movflags', '+faststart', path],
  ]);
}

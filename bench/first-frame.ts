// From the reply to `complete` to the first picture a player can have: for sources that are copied, of a minute and
// of two hours, and for one that must be encoded.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { linesOf } from '../chaos/transcoder-log.ts';
import { type Api, apiAt, uploadFile } from '../test/support/api.ts';
import { ffmpeg, makeClip, makeFolder } from '../test/support/media.ts';
import { readHls } from '../test/support/published.ts';
import { startStack, type TestStack } from '../test/support/stack.ts';
import { median } from './cpu-time.ts';

const ROUNDS = 5;
const POLL_MS = 25;
const TIMEOUT_MS = 120_000;
const CLIP = { seconds: 60, size: '1280x720', bitrate: '1M' };
const LONG_REPEATS = 120;

/** The promises, seconds; the ratio is that of the two medians. */
const COPY_SECONDS = 2;
const COPY_RATIO = 1.5;
const ENCODE_SECONDS = 8;

export async function benchFirstFrame(): Promise<void> {
  const folder = await makeFolder('bench-first-frame');
  const stack = await startStack({ transcoders: 1 });
  try {
    const api = apiAt(stack.url, await stack.token('uploader'));
    const minute = await makeClip(join(folder, 'minute.mp4'), CLIP);
    const hours = await repeated(minute, join(folder, 'hours.mp4'), folder);
    const hevc = join(folder, 'minute-hevc.mp4');
    await ffmpeg(['-i', minute, '-c:v', 'libx265', '-preset', 'ultrafast', '-c:a', 'copy', hevc]);

    const copied: Record<string, number[]> = { '1 minute': [], '2 hours': [] };
    // Taken in turns, so that whatever slows the machine slows both.
    for (let round = 0; round < ROUNDS; round++) {
      copied['1 minute']!.push(await untilPlayed(api, minute));
      copied['2 hours']!.push(await untilPlayed(api, hours));
    }
    const encoded: number[] = [];
    for (let round = 0; round < ROUNDS; round++) encoded.push(await untilCommitted(stack, api, hevc));

    console.log('seconds from the reply to complete (720p, default preset, one transcoder on this machine)');
    for (const [name, seconds] of Object.entries(copied)) {
      tell(`clean H.264, ${name}: first media segment fetched`, seconds, COPY_SECONDS);
    }
    const ratio = median(copied['2 hours']!) / median(copied['1 minute']!);
    console.log(`two hours against one minute: ×${ratio.toFixed(2)} (promised: at most ×${COPY_RATIO})`);
    tell('HEVC, 1 minute: first segment committed on every rung', encoded, ENCODE_SECONDS);
    if (ratio > COPY_RATIO) process.exitCode = 1;
  } finally {
    await stack.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function repeated(clip: string, path: string, folder: string): Promise<string> {
  const list = join(folder, 'list.txt');
  await writeFile(list, `file '${clip}'\n`.repeat(LONG_REPEATS));
  await ffmpeg(['-f', 'concat', '-safe', '0', '-i', list, '-c', 'copy', path]);
  return path;
}

/** Until a viewer who asks as soon as the upload is complete holds the first segment of the copied rendition. */
async function untilPlayed(api: Api, clip: string): Promise<number> {
  const { videoId, jobId } = await uploadFile(api, clip, 'multipart');
  const startedAtMs = performance.now();
  const play = await eventually(async () => {
    const response = await api.request(`/v1/videos/${videoId}/play`, { method: 'POST', json: {} });
    if (response.ok) return (await response.json()) as { hls: string };
    await response.body?.cancel();
    return undefined;
  });
  const { variants } = await readHls(play.hls);
  const { playlist } = variants[0]!;
  for (const url of [playlist.initUrl, playlist.segments[0]!.url]) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${response.status} for a segment that is listed`);
    await response.arrayBuffer();
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  await giveUp(api, videoId, jobId);
  return seconds;
}

async function untilCommitted(stack: TestStack, api: Api, clip: string): Promise<number> {
  const { videoId, jobId } = await uploadFile(api, clip, 'multipart');
  const startedAtMs = Date.now();
  const committed = await eventually(async () =>
    (await linesOf(stack.transcoderLog(0))).find(
      (line) => line.event === 'segment.committed' && line.jobId === jobId && line.segment === 0,
    ),
  );
  await giveUp(api, videoId, jobId);
  return (Date.parse(committed.at) - startedAtMs) / 1000;
}

/** The next measurement must not share the machine with the rest of this job. */
async function giveUp(api: Api, videoId: string, jobId: string): Promise<void> {
  await (await api.request(`/v1/jobs/${jobId}/cancel`, { method: 'POST' })).body?.cancel();
  await api.call(`/v1/videos/${videoId}`, { method: 'DELETE' });
  await sleep(3000);
}

async function eventually<Value>(ask: () => Promise<Value | undefined>): Promise<Value> {
  const deadlineMs = Date.now() + TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    const value = await ask();
    if (value !== undefined) return value;
    await sleep(POLL_MS);
  }
  throw new Error(`nothing came within ${TIMEOUT_MS / 1000} s`);
}

function tell(what: string, seconds: number[], promisedSeconds: number): void {
  const sorted = seconds.toSorted((a, b) => a - b).map((value) => value.toFixed(2));
  console.log(
    `${what}: median ${median(seconds).toFixed(2)} (${sorted.join(' ')}; promised: under ${promisedSeconds})`,
  );
  if (median(seconds) >= promisedSeconds) process.exitCode = 1;
}

// The Dockerfile, built unchanged without Docker, and a transcoder of that image doing a job of the local stack:
// the proof that what is deployed as a container works. As root on Debian, with buildah and debootstrap.
import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { apiAt, jobEnd, uploadFile } from '../test/support/api.ts';
import { makeClip, makeFolder } from '../test/support/media.ts';
import { startStack, type TestStack } from '../test/support/stack.ts';
import { readLocalSecrets } from '../transcoder/cli/local-stack.ts';
import { containerOfImage, IMAGE_STATE, transcoderIn } from './image-container.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const UP_SECONDS = 60;
const CLIP = { seconds: 10, size: '640x360' };
const MARK = '/tmp/before-the-job';
/** What buildah itself puts into a container it runs is not the transcoder's. */
const WRITTEN_SINCE = `find / -xdev -type f -newer ${MARK} -not -path '/scratch/*' -not -path '/tmp/*' \\
  -not -path '/proc/*' -not -path '/sys/*' -not -path '/run/*' -not -path '/etc/hostname' -not -path '/etc/hosts' -not -path '/etc/resolv.conf' 2>/dev/null; true`;

export async function benchImage(): Promise<void> {
  if (!['buildah', 'debootstrap'].every(isOnPath) || process.getuid?.() !== 0) {
    console.log('skipped: needs root, buildah and debootstrap (apt-get install buildah debootstrap)');
    return;
  }
  await buildImage();
  const folder = await makeFolder('bench-image');
  const stack = await startStack({ transcoders: 0 });
  try {
    await doOneJob(stack, folder);
  } finally {
    await stack.stop();
    await rm(folder, { recursive: true });
  }
}

async function buildImage(): Promise<void> {
  const startedAtMs = Date.now();
  await mkdir(IMAGE_STATE, { recursive: true });
  const log = join(IMAGE_STATE, 'build.log');
  const script = `exec sh local/deploy/build-image.sh "$1" > "$2" 2>&1`;
  try {
    await run('nice', ['sh', '-c', script, 'build', IMAGE_STATE, log], { cwd: ROOT });
  } catch (cause) {
    throw new Error(`the image was not built; see ${log}`, { cause });
  }
  console.log(`the Dockerfile, unchanged: built in ${secondsSince(startedAtMs)} s`);
}

async function doOneJob(stack: TestStack, folder: string): Promise<void> {
  const variables = await transcoderVariables(stack);
  const container = await containerOfImage(variables);
  const logFile = join(folder, 'transcoder.log');
  const transcoder = await container.start(logFile);
  try {
    const health = await untilUp(`http://127.0.0.1:${variables.HEALTH_PORT}/healthz`, transcoder, logFile);
    console.log(`its transcoder, as user ${container.config.User}: up with ${health.slots} slots`);
    await container.exec(container.config.Healthcheck.Test.slice(1));
    console.log('its own health check: passes');
    await container.exec(['touch', MARK]);
    await uploadAndWait(stack, folder);
    const written = (await container.exec(['sh', '-c', WRITTEN_SINCE])).trim();
    if (written) throw new Error(`it wrote outside its scratch folder: ${written}`);
    console.log('written outside /scratch and /tmp: nothing, its root may be read-only');
    await drain(transcoder, logFile);
  } finally {
    const left = await transcoderIn(transcoder);
    if (left) process.kill(left.pid, 'SIGKILL');
    if (transcoder.exitCode === null) await once(transcoder, 'exit');
    await container.remove();
  }
}

async function transcoderVariables(stack: TestStack): Promise<Record<string, string>> {
  const secrets = await readLocalSecrets(stack.home);
  if (!secrets) throw new Error(`there are no secrets in ${stack.home}`);
  const port = Number(new URL(stack.url).port);
  return {
    REELAY_URL: stack.url,
    TRANSCODER_SECRET: secrets.transcoderSecret,
    QUEUES_API: `http://127.0.0.1:${port + 1}`,
    QUEUE_ACCOUNT_ID: 'local',
    QUEUE_ID: 'reelay-tickets',
    QUEUE_TOKEN: secrets.queueToken,
    WORKER_ID: 'image-0',
    // A chroot shares the machine's network, where a container has its own.
    HEALTH_HOST: '127.0.0.1',
    HEALTH_PORT: String(port + 2),
  };
}

async function untilUp(url: string, container: ChildProcess, logFile: string): Promise<{ slots: number }> {
  const deadlineMs = Date.now() + UP_SECONDS * 1000;
  while (Date.now() < deadlineMs && container.exitCode === null) {
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return (await response.json()) as { slots: number };
    await sleep(200);
  }
  throw new Error(`the transcoder is not up:\n${await readFile(logFile, 'utf8')}`);
}

async function uploadAndWait(stack: TestStack, folder: string): Promise<void> {
  const clip = await makeClip(join(folder, 'clip.mp4'), CLIP);
  const api = apiAt(stack.url, await stack.token('uploader'));
  const startedAtMs = Date.now();
  const { jobId, videoId } = await uploadFile(api, clip, 'multipart');
  const job = await jobEnd(api, jobId);
  if (job.state !== 'succeeded') throw new Error(`the job ended ${job.state}: ${JSON.stringify(job.error)}`);
  const took = secondsSince(startedAtMs);
  const { state } = await api.call(`/v1/videos/${videoId}`);
  const { hls } = await api.call(`/v1/videos/${videoId}/play`, { method: 'POST', json: {} });
  const playlist = await (await fetch(hls)).text();
  const variants = playlist.split('#EXT-X-STREAM-INF').length - 1;
  console.log(
    `a job, ${CLIP.seconds} s of ${CLIP.size}: ${state} after ${took} s, ${variants} variants in its playlist`,
  );
}

/** What a platform does before it takes a container away. */
async function drain(container: ChildProcess, logFile: string): Promise<void> {
  const transcoder = await transcoderIn(container);
  if (!transcoder) throw new Error('the transcoder is gone before it was asked to end');
  const startedAtMs = Date.now();
  const ended = once(container, 'exit');
  process.kill(transcoder.pid, 'SIGTERM');
  const [code] = await ended;
  const said = await readFile(logFile, 'utf8');
  if (code !== 0 || !said.includes('transcoder.stopped')) throw new Error(`it did not end cleanly:\n${said}`);
  console.log(`SIGTERM: drained and ended with exit code 0 after ${secondsSince(startedAtMs)} s`);
}

function isOnPath(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)));
}

function secondsSince(startedAtMs: number): string {
  return ((Date.now() - startedAtMs) / 1000).toFixed(1);
}

// Clients that upload clips and then do with them what clients do: wait, cancel and try again, delete, transcode
// again. Whatever fails on the way is sent again under the same Idempotency-Key.
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from '../../test/support/api.ts';
import { makeClip } from '../../test/support/media.ts';
import { chanceOf } from '../seeded.ts';
import type { FaultRules } from './fault-rules.ts';
import type { History } from './history.ts';
import { type Observer, TERMINAL } from './observer.ts';

export type Fate = 'kept' | 'cancelled' | 'deleted' | 'again';

export type GeneratorOptions = { seed: number; jobs: number; clients: number; folder: string };

type World = {
  url: string;
  token: string;
  observer: Observer;
  rules: FaultRules;
  history: History;
};

const MAX_OPEN_JOBS = 12;
/** A request that died with the Worker holds its Idempotency-Key until its lease is over: two minutes are enough. */
const ATTEMPTS = 240;
const PAUSE_MS = 500;
const FATES: Fate[] = ['again', 'deleted', 'cancelled', 'deleted'];

/** The fate of every fifth video is not simply to be kept. */
export function fateOf(index: number): Fate {
  return index % 5 === 2 ? FATES[Math.floor(index / 5) % FATES.length]! : 'kept';
}

/** Resolves when every client has had an answer to everything it asked. */
export async function runGenerator(options: GeneratorOptions, world: World): Promise<void> {
  const clips = await makeClips(options.folder);
  let next = 0;
  const client = async () => {
    while (next < options.jobs) {
      const index = next++;
      // Bytes that no other file has, in a box that no reader looks at (ISO/IEC 14496-12, 8.1.2).
      const bytes = Buffer.concat([clips[index % clips.length]!, freeBox(`${options.seed} ${index}`)]);
      await live(index, bytes, options.seed, world);
    }
  };
  await Promise.all(Array.from({ length: options.clients }, client));
}

async function makeClips(folder: string): Promise<Buffer[]> {
  const kinds = [
    { hasAudio: false, size: '64x64' },
    { hasAudio: true, size: '64x64' },
    { hasAudio: false, size: '96x64' },
  ];
  const paths = kinds.map((kind, index) => makeClip(join(folder, `${index}.mp4`), { seconds: 1, ...kind }));
  return Promise.all(paths.map(async (path) => readFile(await path)));
}

function freeBox(label: string): Buffer {
  const box = Buffer.alloc(40);
  box.writeUInt32BE(box.length);
  box.write('free', 4, 'latin1');
  createHash('sha256').update(label).digest().copy(box, 8);
  return box;
}

async function live(index: number, bytes: Buffer, seed: number, world: World): Promise<void> {
  const { observer, history, rules } = world;
  await observer.until(() => observer.open() < MAX_OPEN_JOBS, 180_000, 'room for one more job');
  const chance = chanceOf(seed * 1000 + index);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const fate = fateOf(index);
  history.note('upload.invoke', { index, sha256, sizeBytes: bytes.length, fate });
  const video = { kind: 'movie', contentId: `j${index}` };
  const json = { filename: `${index}.mp4`, sizeBytes: bytes.length, method: 'single', video };
  const created = await insist(world, 'POST', '/v1/uploads', { json });
  await insist(world, 'PUT', `/v1/uploads/${created.uploadId}/content`, { bytes });
  history.note('upload.acknowledged', { index, uploadId: created.uploadId });
  const { videoId, jobId } = await insist(world, 'POST', `/v1/uploads/${created.uploadId}/complete`, {
    json: {},
  });
  rules.learn(jobId, `j${index}`);
  rules.learn(videoId, `j${index}`);
  history.note('upload.ok', { index, videoId, jobId });
  let lastJobId: string = jobId;
  if (fate === 'cancelled') {
    await sleep(chance.between(0, 3000));
    const job = await insist(world, 'POST', `/v1/jobs/${jobId}/cancel`, { json: {}, allowed: [409] });
    history.note('cancel.ok', { index, jobId, state: job.state ?? job.code });
    if (job.state === 'cancelled') {
      await sleep(chance.between(0, 2000));
      const retried = await insist(world, 'POST', `/v1/jobs/${jobId}/retry`, { json: {} });
      history.note('retry.ok', { index, jobId: retried.jobId });
      lastJobId = retried.jobId;
    }
  }
  if (fate === 'deleted') {
    await sleep(chance.between(0, 5000));
    await insist(world, 'DELETE', `/v1/videos/${videoId}`, { allowed: [404] });
    history.note('delete.ok', { index, videoId });
  }
  if (fate === 'again') {
    const isEnded = () => TERMINAL.includes(observer.jobs.get(jobId)?.state ?? '');
    await observer.until(isEnded, 180_000, `job ${jobId} has ended`);
    const again = await insist(world, 'POST', `/v1/videos/${videoId}/transcode`, { json: {} });
    history.note('again.ok', { index, jobId: again.jobId });
    lastJobId = again.jobId;
  }
  // Whoever waits until no job is open must know of this one; those of a deleted video may never be seen.
  const isSeen = () => observer.jobs.has(lastJobId);
  if (fate !== 'deleted') await observer.until(isSeen, 180_000, `job ${lastJobId} is seen`);
}

type Sent = { json?: unknown; bytes?: Buffer; allowed?: number[] };

/** Until there is an answer that will not be another one next time. */
async function insist(
  { url, token, history }: World,
  method: string,
  path: string,
  sent: Sent,
): Promise<Json> {
  const headers: Record<string, string> = { authorization: `Bearer ${token}` };
  if (method === 'POST') headers['idempotency-key'] = randomBytes(16).toString('hex');
  if (sent.json !== undefined) headers['content-type'] = 'application/json';
  const body = sent.json === undefined ? (sent.bytes ?? null) : JSON.stringify(sent.json);
  let why = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const answer = await tell(new URL(path, url), { method, headers, body: body as RequestInit['body'] });
    if (answer.status >= 200 && answer.status < 300) return answer.json;
    if (sent.allowed?.includes(answer.status) && answer.json.code !== 'idempotency_in_flight')
      return answer.json;
    why = `${answer.status} ${JSON.stringify(answer.json)}`;
    history.note('client.again', { method, path, attempt, why });
    await sleep(PAUSE_MS);
  }
  throw new Error(`${method} ${path} was never answered: ${why}`);
}

async function tell(url: URL, init: RequestInit): Promise<{ status: number; json: Json }> {
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(20_000) });
    const text = await response.text();
    return { status: response.status, json: text.startsWith('{') ? JSON.parse(text) : { text } };
  } catch (error) {
    return { status: 0, json: { text: String(error) } };
  }
}

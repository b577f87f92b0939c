import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linesOf } from '../../chaos/transcoder-log.ts';
import { type Api, apiAt, type Json, jobEnd, uploadFile } from '../support/api.ts';
import { makeClip, makeFolder } from '../support/media.ts';
import { packetsOf, readHls } from '../support/published.ts';
import { startStack } from '../support/stack.ts';

// Two transcoders on one video, and one of them killed with -9 in the middle of a chunk.

let stack: Awaited<ReturnType<typeof startStack>>;
let api: Api;
let folder: string;

beforeAll(async () => {
  folder = await makeFolder('two');
  stack = await startStack({ transcoders: 2 });
  api = apiAt(stack.url, await stack.token('uploader'));
});

afterAll(async () => {
  await stack?.stop();
});

const eventsOfLog = (index: number) => linesOf(stack.transcoderLog(index));

describe('two transcoders on one clip of 60 s', () => {
  it('encode different chunks at once; one dies by SIGKILL and nothing is lost', async () => {
    const path = await makeClip(join(folder, 'minute.mp4'), { seconds: 60, size: '640x360' });
    const { videoId, jobId } = await uploadFile(api, path, 'single', { preset: 'veryfast' });

    // Kill the first transcoder that has stored a segment of a chunk it has not finished.
    const killed = await untilMidChunk();
    await stack.killTranscoder(killed, 'SIGKILL');

    const job = await jobEnd(api, jobId);
    expect(job.error).toBeUndefined();
    expect(job.state).toBe('succeeded');

    const urls = await api.call(`/v1/videos/${videoId}/play`, { method: 'POST', json: {} });
    const published = await readHls(urls.hls);
    for (const { playlist } of published.variants) {
      expect(playlist.segments).toHaveLength(10);
      expect(await packetsOf(playlist.url)).toHaveLength(1800);
    }

    const events = [await eventsOfLog(0), await eventsOfLog(1)];
    const chunks = events.map((list) => new Set(list.filter(isChunkStart).map((event) => event.task)));
    expect(chunks[0]!.size).toBeGreaterThan(0);
    expect(chunks[1]!.size).toBeGreaterThan(0);

    // No object is ever overwritten: PUTs are conditional, so a second encoding of a segment is told as `exists`.
    const stored = events.flat().filter((event) => event.event === 'segment.stored');
    const firstWins = new Map<string, number>();
    for (const event of stored) {
      const key = `${event.stem} ${event.segment}`;
      firstWins.set(key, (firstWins.get(key) ?? 0) + (event.outcome === 'stored' ? 1 : 0));
    }
    for (const [key, times] of firstWins) expect(times, key).toBeLessThanOrEqual(1);

    // `segment.encoded` is told once per segment complete on every rung, stored or not.
    const encodings = new Map<number, number>();
    for (const { segment } of events.flat().filter((event) => event.event === 'segment.encoded')) {
      encodings.set(segment, (encodings.get(segment) ?? 0) + 1);
    }
    expect([...encodings.keys()].sort((a, b) => a - b)).toEqual([...Array(10).keys()]);
    const encodedTwice = [...encodings.values()].reduce((sum, times) => sum + times - 1, 0);
    expect(encodedTwice).toBeLessThanOrEqual(2);
  }, 400_000);
});

function isChunkStart(event: Json): boolean {
  return event.event === 'task.started' && String(event.task).startsWith('chunk:');
}

async function untilMidChunk(): Promise<number> {
  const end = Date.now() + 150_000;
  while (Date.now() < end) {
    const lists = [await eventsOfLog(0), await eventsOfLog(1)];
    const areBothBusy = lists.every((list) => list.some(isChunkStart));
    for (const [index, list] of lists.entries()) {
      const started = list.filter(isChunkStart).at(-1);
      if (!started || !areBothBusy) continue;
      const isDone = list.some((event) => event.event === 'task.done' && event.task === started.task);
      const hasCommit = list.some(
        (event) => event.event === 'segment.committed' && event.task === started.task,
      );
      if (!isDone && hasCommit) return index;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('no transcoder was seen in the middle of a chunk');
}

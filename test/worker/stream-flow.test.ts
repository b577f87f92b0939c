// Seeded viewers that grant, read, pause, seek and switch as they like. Whatever they do: no more comes than was
// granted, and of every position all that is stored, in order.
import { afterEach, describe, expect, test, vi } from 'vitest';
import { initName, segmentName } from '../../shared/object-keys.ts';
import { fragmentsOf } from '../../shared/stream-fragments.ts';
import type { StreamFrame } from '../../shared/stream-frame.ts';
import { randomOf } from '../support/random.ts';
import { playToken } from './playback-fixtures.ts';
import { closeViewers, type Film, publishFilm, readToEnd, type Viewer, view } from './stream-film.ts';

const SEEDS = [1, 2, 3, 4, 5, 6];
const STEPS = 40;

const film = await publishFilm();
afterEach(closeViewers);

/** The platform hands messages over in order: after the pong everything before the ping has come. */
async function settled(viewer: Viewer): Promise<void> {
  const before = viewer.texts.length;
  viewer.socket.send('ping');
  await vi.waitFor(() => expect(viewer.texts.length).toBe(before + 1), { timeout: 20_000, interval: 2 });
}

async function wander(seed: number): Promise<{ viewer: Viewer; epoch: number }> {
  const random = randomOf(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(choices: readonly T[]) => choices[below(choices.length)]!;
  const viewer = await view(await playToken(film));
  let epoch = 1;
  let grantedBytes = 0;
  let windowBytes = 0;
  let readBytes = 0;
  viewer.say({ type: 'start', video: pick(['240p', '480p', '720p']), positionSeconds: random() * 25 });
  const acts = [
    () => {
      // Never more under way than may be: what was read makes room again.
      const receivedBytes = viewer.receivedBytes();
      const mark = viewer.frames.at(-1)?.mark;
      windowBytes -= receivedBytes - readBytes;
      readBytes = receivedBytes;
      const bytes = below(Math.min(60_000, 2_097_152 - windowBytes));
      windowBytes += bytes;
      grantedBytes += bytes;
      viewer.say({ type: 'credit', bytes, ...(mark !== undefined && { mark }) });
    },
    () => viewer.say({ type: pick(['pause', 'resume']) }),
    () => viewer.say({ type: 'switch', video: pick(['240p', '480p', '720p']) }),
    () => viewer.say({ type: 'switch', audio: pick(['en', 'de']) }),
    () => {
      viewer.say({ type: 'seek', positionSeconds: random() * 25 });
      epoch += 1;
    },
  ];
  for (let step = 0; step < STEPS; step++) {
    // Credit comes more often than all else.
    (random() < 0.6 ? acts[0]! : pick(acts))();
    if (random() < 0.5) await settled(viewer);
    expect(viewer.receivedBytes()).toBeLessThanOrEqual(grantedBytes);
  }
  await settled(viewer);
  expect(viewer.receivedBytes()).toBeLessThanOrEqual(grantedBytes);
  viewer.say({ type: 'resume' });
  return { viewer, epoch };
}

/** What a run of frames must be, by what is stored: pieces of the init segments and fragments they name. */
function check(frames: StreamFrame[], { objects }: Film, isWhole: boolean): void {
  const stems =
    frames[0]?.track === 'video' ? [240, 480, 720].map((p) => `stream_${p}p`) : ['audio_en', 'audio_de'];
  let stem = '';
  let at: { segment: number; fragment: number } | undefined;
  for (let index = 0; index < frames.length; ) {
    const first = frames[index]!;
    expect(first.offsetBytes).toBe(0);
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for (; index < frames.length && bytes < first.sizeBytes; index++) {
      const { offsetBytes, payload, isInit } = frames[index]!;
      expect([offsetBytes, isInit]).toEqual([bytes, first.isInit]);
      pieces.push(payload);
      bytes += payload.byteLength;
    }
    const sent = Buffer.concat(pieces);
    // A position that was left may end in the middle of a fragment.
    expect(isWhole || index === frames.length ? first.sizeBytes : bytes).toBe(first.sizeBytes);
    if (first.isInit) {
      stem = stems.find((each) =>
        objects
          .get(initName(each))!
          .subarray(0, bytes)
          .every((byte, i) => byte === sent[i]),
      )!;
      expect(stem).toBeDefined();
      continue;
    }
    const segment = objects.get(segmentName(stem, first.segment))!;
    const fragments = fragmentsOf(segment);
    const fragment =
      at?.segment === first.segment
        ? at.fragment + 1
        : fragments.findIndex(
            (each) =>
              Buffer.compare(segment.subarray(each.offsetBytes, each.offsetBytes + bytes), sent) === 0,
          );
    const stored = fragments[fragment]!;
    expect(Buffer.compare(segment.subarray(stored.offsetBytes, stored.offsetBytes + bytes), sent)).toBe(0);
    // Nothing is left out between two fragments.
    if (at && at.segment !== first.segment) {
      expect([first.segment, fragment, at.fragment]).toEqual([at.segment + 1, 0, fragments.length - 1]);
    }
    at = { segment: first.segment, fragment };
  }
  if (isWhole) expect(at).toEqual({ segment: 3, fragment: 2 });
}

describe('flow control', () => {
  test.each(SEEDS)('holds for whatever a viewer does, seed %d', async (seed) => {
    const { viewer, epoch } = await wander(seed);
    await readToEnd(viewer, epoch, 100_000);
    for (let each = 1; each <= epoch; each++) {
      for (const track of ['video', 'audio'] as const) {
        const frames = viewer.frames.filter((frame) => frame.track === track && frame.epoch === each);
        check(frames, film, each === epoch);
      }
    }
    expect(viewer.closes).toEqual([]);
  });

  test('a viewer who grants without reading is stopped at the window', async () => {
    const viewer = await view(await playToken(film));
    viewer.say({ type: 'start', video: '720p' });
    const grant = 2_097_152;
    viewer.say({ type: 'credit', bytes: grant });
    await vi.waitFor(() => expect(viewer.messages.at(-1)?.type).toBe('end'), { timeout: 20_000 });
    const first = viewer.frames[0]!;
    // Proof of one frame makes room for that one alone.
    viewer.say({ type: 'credit', bytes: viewer.receivedBytes(), mark: first.mark });
    await viewer.hears('error', { code: 'stream_credit_exceeded' });
  });
});

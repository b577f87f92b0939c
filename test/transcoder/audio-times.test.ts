// Sound whose container says odd things of its times: it is heard when it should be, all of it, and only once.
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { initName } from '../../shared/object-keys.ts';
import { readEditList } from '../../transcoder/isobmff/init.ts';
import { encodeAudio } from '../../transcoder/stages/audio.ts';
import { ffmpeg, makeFolder } from '../support/media.ts';
import { decodeSound, lagSeconds, soundSeconds } from '../support/pictures.ts';
import { onFile, PREFIX, planFile, writeTrack } from './encoding.ts';
import { memoryR2 } from './memory-r2.ts';

let folder: string;
beforeAll(async () => {
  folder = await makeFolder('audio-times');
});

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=s=160x90:r=30:d=6'];
/** Never the same twice, so that a shift shows. */
const SWEEP = ['-f', 'lavfi', '-i', 'aevalsrc=0.4*sin(2*PI*(100+60*t)*t):s=48000:d=6'];
const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '60'];

async function stored(path: string) {
  const plan = await planFile(path);
  const r2 = memoryR2();
  const facts = await onFile(path, ({ context }) => encodeAudio(context, plan, 0), { r2 });
  const track = facts.tracks[0]!;
  const file = await writeTrack(r2, track.stem, track.segments.length, join(folder, `${Math.random()}.mp4`));
  const edits = readEditList(await r2.get(PREFIX + initName(track.stem)));
  const source = await decodeSound(path, String(plan.audio[0]!.streamIndex), plan.source.zeroSeconds ?? 0);
  return { plan, track, edits, source, sound: await decodeSound(file, 'a:0', 0) };
}

test('a recording cut without encoding keeps only what primes the decoder of the sound before the cut', async () => {
  const whole = join(folder, 'whole.mp4');
  await ffmpeg([...VIDEO, ...SWEEP, ...X264, '-c:a', 'aac', '-ac', '2', whole]);
  const path = join(folder, 'cut.mp4');
  // The last key picture before it lies at 2 s, so more than a second is there and hidden.
  await ffmpeg(['-ss', '3.3', '-i', whole, '-c', 'copy', path]);
  const { plan, track, edits, source, sound } = await stored(path);
  expect(plan.audio[0]!.isCopied).toBe(true);
  expect(edits.hiddenTicks).toBeLessThan(3 * 1024);
  expect(track.segments[1]!.startTicks / 48_000).toBeLessThan(1.1);
  expect(Math.abs(soundSeconds(sound) - soundSeconds(source))).toBeLessThan(0.05);
  const lag = lagSeconds(source, sound)!;
  expect(lag.likeness).toBeGreaterThan(0.95);
  expect(Math.abs(lag.seconds)).toBeLessThan(0.003);
});

test.each([
  { jitterMs: 9, why: 'is the rounding of a container' },
  { jitterMs: 80, why: 'is a hole, filled with silence' },
])('a step of $jitterMs ms in the times $why, and nothing is heard twice', async ({ jitterMs }) => {
  const path = join(folder, `step-${jitterMs}.mkv`);
  const step = `setts=ts=PTS+gte(N\\,100)*${jitterMs}`;
  const plain = join(folder, 'plain.mkv');
  await ffmpeg([...VIDEO, ...SWEEP, ...X264, '-c:a', 'aac', '-ac', '1', plain]);
  await ffmpeg(['-i', plain, '-c', 'copy', '-bsf:a', step, path]);
  const { source, sound, track } = await stored(path);
  const frames = track.segments.reduce((sum, { samples }) => sum + samples, 0);
  expect(Math.abs((frames * 1024) / 48_000 - 6 - jitterMs / 1000)).toBeLessThan(0.1);
  const lag = lagSeconds(source, sound)!;
  expect(lag.likeness).toBeGreaterThan(0.9);
  expect(Math.abs(lag.seconds)).toBeLessThan(0.025);
});

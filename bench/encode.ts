// What the ladder costs and what it is worth: CPU and wall time against the seeds' way and against one bare ffmpeg, in
// turns, medians; memory of a slot; bytes and likeness against fixed bitrates.
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CORPUS, makeClip, makeFolder } from '../test/support/media.ts';
import { type Cost, median } from './cpu-time.ts';
import { compareClip, type RungComparison } from './encode-quality.ts';
import {
  ffmpeg,
  planOf,
  runBare,
  runOurJob,
  runSeeds,
  runSound,
  type Store,
  startStore,
} from './encode-ways.ts';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 2);
const CLIP_SECONDS = 60;
const MEMORY_CLIP_SECONDS = 20;
const MIB = 2 ** 20;

/** Natural pictures of the corpus, from calm animation to water and grain. */
export const NATURAL = [
  'bbb-1080p30-13s.ts',
  'bbb-480p24-30s.mp4',
  'gopro-karma-480p-12s.mp4',
  'sintel-720p24-10s.mp4',
  'jellyfish-1080p30-10s.mp4',
  'car-detection.mp4',
  'butterfly-720p-7s.mp4',
  'tos-1920x800-vp9.webm',
  'bbb-720p24-vp8-vorbis-30s.webm',
];

/** `npm run bench -- encode`, or a part of it: BENCH_PARTS=cost,memory,bytes. */
export async function benchEncode(): Promise<void> {
  const parts = (process.env.BENCH_PARTS ?? 'cost,memory,bytes').split(',');
  const { stdout } = await promisify(execFile)('ffmpeg', ['-version']);
  console.log(`${stdout.split('\n')[0]}; load ${loadavg()[0]!.toFixed(1)} at the start`);
  const folder = await makeFolder('bench-encode');
  try {
    using store = await startStore();
    if (parts.includes('cost')) for (const clip of COST_CLIPS) await compareCost(folder, store, clip);
    if (parts.includes('memory')) await measureMemory(folder, store);
    if (parts.includes('bytes')) await compareBytes(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What phones film, and a film: the less a picture's decoding costs, the less there is to win by decoding once. */
const COST_CLIPS = [
  { name: 'jellyfish-1080p30-10s.mp4', size: '1920x1080' },
  { name: 'sintel-720p24-10s.mp4', size: '1280x720' },
];

async function compareCost(
  folder: string,
  store: Store,
  { name, size }: (typeof COST_CLIPS)[number],
): Promise<void> {
  const clip = await loopedClip(name, CLIP_SECONDS, join(folder, 'cost.mp4'), size);
  const plan = await planOf(clip);
  const rungs = plan.renditions.map(({ name }) => name).join(' ');
  console.log(
    `\n## cost: ${CLIP_SECONDS} s of ${name}, ${rungs}, ${plan.encoder.preset}, ${ROUNDS} rounds in turns`,
  );
  const ours: Awaited<ReturnType<typeof runOurJob>>[] = [];
  const bare: Cost[] = [];
  const seeds: Cost[] = [];
  const sound: Cost[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    ours.push(await runOurJob(clip, store));
    const made = ours.at(-1)!.rungs.join(' ');
    if (made !== rungs) throw new Error(`the trial left ${made} of ${rungs}: the ways would not do the same`);
    bare.push(await runBare(clip, plan, folder));
    seeds.push(await runSeeds(clip, plan, folder));
    sound.push(await runSound(clip, folder));
    const [a, b, c] = [ours.at(-1)!.kinds.chunk!, bare.at(-1)!, seeds.at(-1)!];
    console.log(
      `round ${round}: chunks ${show(a)}, bare ${show(b)}, seeds ${show(c)}; load ${loadavg()[0]!.toFixed(1)}`,
    );
  }
  const cpu = (costs: Cost[]) => median(costs.map(({ cpuSeconds }) => cpuSeconds));
  const kind = (name: string) =>
    cpu(ours.map(({ kinds }) => kinds[name] ?? { cpuSeconds: 0, wallSeconds: 0 }));
  const ratios = (of: Cost[], to: Cost[], by: keyof Cost) =>
    median(of.map((cost, index) => cost[by] / to[index]![by]));
  const chunks = ours.map(({ kinds }) => kinds.chunk!);
  console.log('median CPU seconds (user + system of the process tree)');
  console.log(
    `  chunk stage ${kind('chunk').toFixed(1)}  bare ffmpeg ${cpu(bare).toFixed(1)}  seeds' way ${cpu(seeds).toFixed(1)}`,
  );
  console.log(
    `  apart: plan ${kind('plan').toFixed(1)}, trial ${kind('trial').toFixed(1)}, audio ${kind('audio').toFixed(1)}, pictures, certificate and receipt ${kind('finish').toFixed(1)}; seeds' sound ${cpu(sound).toFixed(1)} for each rung`,
  );
  report('CPU against the seeds’ way', ratios(chunks, seeds, 'cpuSeconds'), 0.82);
  const withSound = seeds.map(({ cpuSeconds }, round) => ({
    cpuSeconds: cpuSeconds + plan.renditions.length * sound[round]!.cpuSeconds,
    wallSeconds: 0,
  }));
  const withAudio = ours.map(({ kinds }) => ({
    cpuSeconds: kinds.chunk!.cpuSeconds + (kinds.audio?.cpuSeconds ?? 0),
    wallSeconds: 0,
  }));
  report('  the same with the sound of both', ratios(withAudio, withSound, 'cpuSeconds'), 0.82);
  report('CPU against one bare ffmpeg', ratios(chunks, bare, 'cpuSeconds'), 1.05);
  report('wall against one bare ffmpeg', ratios(chunks, bare, 'wallSeconds'), 1.1);
  const blocks = ours.map(({ sourceFetches }) => sourceFetches).join(', ');
  console.log(`  blocks of 4 MiB read from storage per job: ${blocks}`);
}

async function measureMemory(folder: string, store: Store): Promise<void> {
  const clip = await loopedClip(
    'jellyfish-1080p30-10s.mp4',
    MEMORY_CLIP_SECONDS,
    join(folder, 'memory.mp4'),
    '1920x1080',
  );
  const { ffmpegPeakBytes, nodePeakBytes } = await runOurJob(clip, store);
  console.log(`\n## memory of a 1080p slot, ${MEMORY_CLIP_SECONDS} s, MiB`);
  report('ffmpeg and Node together', (ffmpegPeakBytes + nodePeakBytes) / MIB, 1.2 * 1024, 0);
  report('Node alone', nodePeakBytes / MIB, 250, 0);
}

async function compareBytes(folder: string): Promise<void> {
  if (!CORPUS)
    return console.log('\n## bytes: ../shared/media is absent, so there is nothing natural to compare');
  console.log('\n## bytes and likeness (SSIM) against fixed bitrates at the rows’ rates');
  console.log(
    'clip                             rung    ours kB  fixed kB   saved     SSIM    fixed     loss',
  );
  const all: RungComparison[] = [];
  for (const name of NATURAL) {
    const rows = await compareClip(join(CORPUS, name), folder);
    for (const row of rows) console.log(lineOf(row));
    all.push(...rows);
  }
  const sum = (pick: (row: RungComparison) => number) => all.reduce((total, row) => total + pick(row), 0);
  const loss = (row: RungComparison) => row.fixed.ssim - row.ours.ssim;
  const saved = 1 - sum(({ ours }) => ours.sizeBytes) / sum(({ fixed }) => fixed.sizeBytes);
  console.log(`saved in total ${(100 * saved).toFixed(1)} % (wanted: at least 20 %)`);
  const mean = sum(loss) / all.length;
  report('mean SSIM loss over all rungs', mean, 0.002, 5);
  const worst = all.reduce((found, row) => (loss(row) > loss(found) ? row : found));
  report(`worst SSIM loss of a rung (${worst.clip} ${worst.rung})`, loss(worst), 0.005, 5);
  const clips = NATURAL.map((name) => all.filter(({ clip }) => clip === name));
  const lossOf = (rows: RungComparison[]) => rows.reduce((total, row) => total + loss(row), 0) / rows.length;
  const worstClip = clips.reduce((found, rows) => (lossOf(rows) > lossOf(found) ? rows : found));
  report(`worst SSIM loss of a clip (${worstClip[0]!.clip})`, lossOf(worstClip), 0.005, 5);
  const grown = all.filter(({ ours, fixed }) => ours.sizeBytes > fixed.sizeBytes);
  console.log(`rungs that grow: ${grown.map(({ clip, rung }) => `${clip} ${rung}`).join(', ') || 'none'}`);
}

function lineOf({ clip, rung, ours, fixed }: RungComparison): string {
  const kilobytes = (bytes: number) => (bytes / 1000).toFixed(0).padStart(9);
  const saved = `${(100 * (1 - ours.sizeBytes / fixed.sizeBytes)).toFixed(0)} %`.padStart(8);
  const ssim = [ours.ssim, fixed.ssim, fixed.ssim - ours.ssim].map((value) => value.toFixed(5).padStart(9));
  return `${clip.padEnd(32)} ${rung.padEnd(6)} ${kilobytes(ours.sizeBytes)} ${kilobytes(fixed.sizeBytes)}${saved}${ssim.join('')}`;
}

/** Where the corpus is absent, a generated picture stands in; its ratios are not those of films. */
async function loopedClip(name: string, seconds: number, path: string, size: string): Promise<string> {
  if (!CORPUS) return makeClip(path, { seconds, size });
  await ffmpeg([
    ...['-stream_loop', '-1', '-i', join(CORPUS, name)],
    // Few of these clips have sound; a tone is as much work for the encoder as any.
    ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000', '-t', String(seconds)],
    // A loop has a key frame where it begins, once in ten seconds; cameras and encoders set one every second or two.
    ...['-map', '0:v:0', '-map', '1:a:0', '-c:v', 'libx264', '-preset', 'veryfast', '-crf', '16'],
    ...['-force_key_frames', 'expr:gte(t,n_forced*2)', '-c:a', 'aac', '-ac', '2', path],
  ]);
  return path;
}

function show({ cpuSeconds, wallSeconds }: Cost): string {
  return `${cpuSeconds.toFixed(1)} CPU s in ${wallSeconds.toFixed(1)} s`;
}

function report(what: string, value: number, wanted: number, digits = 2): void {
  const verdict = value <= wanted ? 'met' : 'MISSED';
  console.log(`  ${what}: ${value.toFixed(digits)} (wanted: at most ${wanted}) ${verdict}`);
}

// Looks at decoded pictures and sound without any of the transcoder's own code: small grey pictures with their
// times, and PCM, to be laid beside those of the source.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const MAX_BUFFER = 1 << 30;

/** Pictures are compared at this size, whatever their shape. */
const SIDE = 32;
const PICTURE_BYTES = SIDE * SIDE;

export type Picture = { seconds: number; pixels: Uint8Array };
export type Decoded = { pictures: Picture[]; complaints: string[] };

/** Every picture of a stream as a player shows it, turned and upright. Times are the file's own. */
export async function decodePictures(path: string, stream = 'v:0', filters: string[] = []): Promise<Decoded> {
  const chain = [...filters, `scale=${SIDE}:${SIDE}:flags=area`, 'format=gray', 'showinfo=checksum=0'];
  const { stdout, stderr } = await run(
    'ffmpeg',
    [
      ...['-nostdin', '-hide_banner', '-v', 'info', '-nostats', '-copyts', '-i', path],
      ...['-map', `0:${stream}`, '-vf', chain.join(','), '-fps_mode', 'passthrough', '-f', 'rawvideo', '-'],
    ],
    { encoding: 'buffer', maxBuffer: MAX_BUFFER },
  );
  const log = stderr.toString('latin1').split('\n');
  const times = log.flatMap((line) => /\[Parsed_showinfo.* n: *\d+ .*pts_time:(\S+)/.exec(line)?.[1] ?? []);
  return {
    pictures: times.map((seconds, index) => ({
      seconds: Number(seconds),
      pixels: stdout.subarray(index * PICTURE_BYTES, (index + 1) * PICTURE_BYTES),
    })),
    complaints: log.filter((line) => /error|corrupt|conceal|invalid|missing/i.test(line)),
  };
}

/** Contrast below about four grey levels counts for little: black is alike, however it is rounded. */
const NOISE = 32;

/** How unlike two pictures are, 0 to 2: the contrast and structure of SSIM over the whole, brightness left out. */
export function distance(a: Uint8Array, b: Uint8Array): number {
  const mean = (pixels: Uint8Array) => pixels.reduce((sum, pixel) => sum + pixel, 0) / pixels.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [product, squareA, squareB] = [0, 0, 0];
  for (let index = 0; index < a.length; index++) {
    const [x, y] = [a[index]! - meanA, b[index]! - meanB];
    product += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  const noise = NOISE * a.length;
  return 1 - (2 * product + noise) / (squareA + squareB + noise);
}

/** The eight ways a picture can be turned and mirrored; the first leaves it as it is. */
export const TURNS = ['as is', '90', '180', '270', 'mirrored', 'mirrored 90', 'mirrored 180', 'mirrored 270'];

export function turned(pixels: Uint8Array, turn: number): Uint8Array {
  const result = new Uint8Array(pixels.length);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      let [fromX, fromY] = turn >= 4 ? [SIDE - 1 - x, y] : [x, y];
      for (let quarter = 0; quarter < turn % 4; quarter++) [fromX, fromY] = [fromY, SIDE - 1 - fromX];
      result[y * SIDE + x] = pixels[fromY * SIDE + fromX]!;
    }
  }
  return result;
}

const SOUND_RATE = 4000;
/** Containers round the times of frames, some by milliseconds. */
const JITTER_SECONDS = 0.03;

/**
 * A sound stream as mono PCM from `zeroSeconds` of the file's clock on. Frames follow one another, but
 * where one's time is far from the end of the one before it is laid where it says; what lies between is silent.
 */
export async function decodeSound(path: string, stream: string, zeroSeconds: number): Promise<Int16Array> {
  const { stdout, stderr } = await run(
    'ffmpeg',
    [
      ...['-nostdin', '-hide_banner', '-v', 'info', '-nostats', '-copyts', '-i', path, '-map', `0:${stream}`],
      ...[
        '-af',
        'lowpass=f=800,lowpass=f=800,aformat=sample_fmts=s16:channel_layouts=mono,ashowinfo',
        '-f',
        's16le',
        '-',
      ],
    ],
    { encoding: 'buffer', maxBuffer: MAX_BUFFER },
  );
  const samples = new Int16Array(stdout.buffer, stdout.byteOffset, stdout.length >> 1);
  const frames = [...stderr.toString('latin1').matchAll(/pts_time:(\S+).* rate:(\d+) nb_samples:(\d+)/g)].map(
    ([, seconds, rate, count]) => ({
      at: Number(seconds) - zeroSeconds,
      rate: Number(rate),
      count: Number(count),
    }),
  );
  let end = frames[0]?.at ?? 0;
  for (const frame of frames) {
    if (Math.abs(frame.at - end) < JITTER_SECONDS) frame.at = end;
    end = frame.at + frame.count / frame.rate;
  }
  const length = Math.max(0, Math.round(end * SOUND_RATE));
  const [sums, counts] = [new Float64Array(length), new Uint32Array(length)];
  let from = 0;
  for (const { at, rate, count } of frames) {
    for (let index = 0; index < count; index++) {
      const place = Math.floor((at + index / rate) * SOUND_RATE);
      if (place < 0 || place >= length) continue;
      sums[place]! += samples[from + index]!;
      counts[place]!++;
    }
    from += count;
  }
  return Int16Array.from(sums, (sum, place) => (counts[place] ? sum / counts[place]! : 0));
}

export function soundSeconds(sound: Int16Array): number {
  return sound.length / SOUND_RATE;
}

const MAX_LAG_SAMPLES = 0.1 * SOUND_RATE;
const COMPARED_SAMPLES = 15 * SOUND_RATE;

/** How much later `b` sounds than `a`, within a tenth of a second; undefined where there is nothing to hear. */
export function lagSeconds(a: Int16Array, b: Int16Array): { seconds: number; likeness: number } | undefined {
  const length = Math.min(a.length, b.length, COMPARED_SAMPLES) - 2 * MAX_LAG_SAMPLES;
  if (length < SOUND_RATE / 20) return undefined;
  let best = { seconds: 0, likeness: Number.NEGATIVE_INFINITY };
  for (let lag = -MAX_LAG_SAMPLES; lag <= MAX_LAG_SAMPLES; lag++) {
    let [product, squareA, squareB] = [0, 0, 0];
    for (let index = 0; index < length; index++) {
      const x = a[index + MAX_LAG_SAMPLES]!;
      const y = b[index + MAX_LAG_SAMPLES + lag]!;
      product += x * y;
      squareA += x * x;
      squareB += y * y;
    }
    if (squareA < 100 * length) return undefined;
    const likeness = product / Math.sqrt(squareA * squareB || 1);
    if (likeness > best.likeness) best = { seconds: lag / SOUND_RATE, likeness };
  }
  return best;
}

// Packet times of a file without a usable index: one pass of the demuxer over the whole file. A day of packets is
// hundreds of megabytes of text, so each line is read as it comes and only its numbers are kept.
import { AppError } from '../../shared/errors.ts';
import { MEDIA_LIMITS } from '../../shared/limits.ts';
import type { PacketTimes } from '../../shared/probe/picture-times.ts';
import { askFfprobe, type Probe } from './ask-ffprobe.ts';

/** Of all streams together: more is no video of a permitted length. */
const MAX_PACKETS = MEDIA_LIMITS.maxDurationSeconds * MEDIA_LIMITS.maxFramesPerSecond;

/**
 * Times by stream index. Packets the container marks to be discarded are left out.
 *
 * @throws AppError media_malformed where there are absurdly many.
 */
export async function walkPackets(probe: Probe, streamIndexes: number[]): Promise<Map<number, PacketTimes>> {
  const reader = new PacketReader(streamIndexes);
  const entries = 'packet=stream_index,pts_time,dts_time,duration_time,flags';
  await askFfprobe(probe, ['-show_entries', entries, '-of', 'compact=p=0:nk=1'], (output) =>
    reader.read(output.toString('latin1')),
  );
  return reader.end();
}

/** Reads lines of the form `0|1.466667|1.400000|0.033333|K_`, cut anywhere. */
export class PacketReader {
  readonly #found = new Map<number, PacketTimes>();
  readonly #streamIndexes: readonly number[];
  #rest = '';
  #packets = 0;

  constructor(streamIndexes: readonly number[]) {
    this.#streamIndexes = streamIndexes;
  }

  read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#readLine(line);
  }

  end(): Map<number, PacketTimes> {
    this.#readLine(this.#rest);
    if (this.#packets > MAX_PACKETS) {
      throw new AppError('media_malformed', { detail: `The file holds more than ${MAX_PACKETS} packets.` });
    }
    for (const times of this.#found.values()) times.keys.sort((a, b) => a - b);
    return this.#found;
  }

  #readLine(line: string): void {
    const [stream, pts, dts, duration, flags] = line.split('|');
    const index = Number(stream);
    const time = Number(pts === 'N/A' ? dts : pts);
    if (!stream || !this.#streamIndexes.includes(index) || !Number.isFinite(time) || flags?.includes('D'))
      return;
    if (++this.#packets > MAX_PACKETS) return;
    const times = this.#found.get(index) ?? { starts: [], durations: [], keys: [] };
    this.#found.set(index, times);
    times.starts.push(time);
    times.durations.push(Number.isFinite(Number(duration)) ? Number(duration) : 0);
    if (flags?.startsWith('K')) times.keys.push(time);
  }
}

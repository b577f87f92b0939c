// Packet times of a file without a usable index: one pass of the demuxer over the whole file.
import { MEDIA_LIMITS } from '../../shared/limits.ts';
import type { PacketTimes } from '../../shared/probe/picture-times.ts';
import { askFfprobe, type Probe } from './ask-ffprobe.ts';

/** 12 hours at 60 pictures per second and as many packets of sound. */
const MAX_PACKETS = MEDIA_LIMITS.maxDurationSeconds * 60 * 2;

/** Times by stream index. Packets the container marks to be discarded are left out. */
export async function walkPackets(probe: Probe, streamIndexes: number[]): Promise<Map<number, PacketTimes>> {
  const text = await askFfprobe(probe, [
    ...['-show_entries', 'packet=stream_index,pts_time,dts_time,duration_time,flags'],
    ...['-read_intervals', `%+#${MAX_PACKETS}`, '-of', 'compact=p=0:nk=1'],
  ]);
  return parsePackets(text, streamIndexes);
}

/** Lines of the form `0|1.466667|1.400000|0.033333|K_`. */
export function parsePackets(text: string, streamIndexes: number[]): Map<number, PacketTimes> {
  const found = new Map<number, PacketTimes>();
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const [stream, pts, dts, duration, flags] = text.slice(start, end).split('|');
    start = end + 1;
    const index = Number(stream);
    const time = Number(pts === 'N/A' ? dts : pts);
    if (!stream || !streamIndexes.includes(index) || !Number.isFinite(time) || flags?.includes('D')) continue;
    const times = found.get(index) ?? { starts: [], durations: [], keys: [] };
    found.set(index, times);
    times.starts.push(time);
    times.durations.push(Number.isFinite(Number(duration)) ? Number(duration) : 0);
    if (flags?.startsWith('K')) times.keys.push(time);
  }
  for (const times of found.values()) times.keys.sort((a, b) => a - b);
  return found;
}

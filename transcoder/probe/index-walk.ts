// Packet times of an MP4 or MOV from its index alone, without touching the media: two hours take well under a
// second and a few megabytes.
import { CustomSource, EncodedPacketSink, Input, Logging, LogLevel, MP4, QTFF } from 'mediabunny';
import { MEDIA_LIMITS } from '../../shared/limits.ts';
import type { ByteSource } from './iso-boxes.ts';
import type { PacketTimes } from './picture-times.ts';

const MAX_PACKETS = MEDIA_LIMITS.maxDurationSeconds * MEDIA_LIMITS.maxFramesPerSecond;

/**
 * Times of the tracks asked for, by track id. A track whose format the reader does not know is missing from
 * the answer. Packets that an edit list hides are left out.
 */
export async function walkIndex(
  source: ByteSource,
  trackIds: number[],
  signal: AbortSignal,
): Promise<Map<number, PacketTimes>> {
  // It would tell the console about codecs it does not know; only their times matter here.
  Logging.level = LogLevel.Silent;
  const input = new Input({
    formats: [MP4, QTFF],
    source: new CustomSource({
      getSize: () => source.sizeBytes,
      read: (start, end) => source.read(start, end - start),
    }),
  });
  const found = new Map<number, PacketTimes>();
  try {
    for (const track of await input.getTracks()) {
      if (!trackIds.includes(track.id)) continue;
      const times: PacketTimes = { starts: [], durations: [], keys: [] };
      for await (const packet of new EncodedPacketSink(track).packets(undefined, undefined, {
        metadataOnly: true,
      })) {
        const end = packet.timestamp + packet.duration;
        if (end <= 0 && packet.timestamp < 0) continue;
        // A packet that begins before the edit (the encoder's priming, mostly) is shown from zero on.
        const start = Math.max(0, packet.timestamp);
        times.starts.push(start);
        times.durations.push(end - start);
        if (packet.type === 'key') times.keys.push(start);
        if (times.starts.length > MAX_PACKETS) break;
        if (times.starts.length % 1000 === 0) signal.throwIfAborted();
      }
      times.keys.sort((a, b) => a - b);
      found.set(track.id, times);
    }
  } finally {
    input.dispose();
  }
  return found;
}

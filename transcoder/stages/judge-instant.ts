// Whether a source can be played by a copy of its pictures, and if so on which timeline.
import { judgeInstant } from '../../shared/instant.ts';
import { type CopySources, type IndexedSource, planInstant } from '../../shared/instant-timeline.ts';
import { KIB, SNIFF_BYTES } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import { ladderAlone, type Plan } from '../../shared/plan.ts';
import type { PlannedInstant } from '../../shared/plan-instant.ts';
import type { ByteSource } from '../../shared/probe/byte-source.ts';
import { chooseStreams } from '../../shared/probe/choose-streams.ts';
import { type CopyFacts, isoCopyFacts } from '../../shared/probe/iso-copy-facts.ts';
import type { Gop } from '../../shared/probe/iso-gops.ts';
import type { StreamFacts } from '../../shared/probe/stream-facts.ts';
import { sniffContainer } from '../../shared/sniff.ts';
import type { SourceInfo } from '../../shared/source-info.ts';
import { BLOCK_BYTES } from '../block-cache.ts';
import { isRefusal, readIndexedSource } from '../indexed-source.ts';
import type { TaskContext } from '../task-context.ts';

/** Key pictures whose first bytes are looked at; all are, once more, when they are copied. */
const KEYS_SEEN = 12;
/** Enough for parameter sets and notes before a first slice. */
const PEEK_BYTES = 2 * KIB;
/** A day of 30 pictures a second; the index alone may promise more than there can be. */
const MAX_PACKETS = 2_600_000;

export type Copyable = { instant: PlannedInstant; sources: CopySources; avcC: Uint8Array };

/** What can be known of a copy from the index alone, while other tools look at the source. */
export type CopyLook = { indexed: IndexedSource; video: StreamFacts; facts: CopyFacts };

/** Undefined where nothing can be made of the index. Rejects where the source cannot be read. */
export async function lookAtCopy(source: TaskContext['source']): Promise<CopyLook | undefined> {
  try {
    fetchTail(source);
    const head = await source.read(0, Math.min(SNIFF_BYTES, source.sizeBytes));
    if (sniffContainer(head, source.sizeBytes).demuxer !== 'mov') return undefined;
    const indexed = await readIndexedSource(source);
    const { video } = chooseStreams(indexed.streams);
    const look = { maxPackets: MAX_PACKETS, keysToSee: sampleOf, areKeysSampled: true };
    return { indexed, video, facts: await isoCopyFacts(peeking(source), indexed.index, video, look) };
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/** Undefined where the ladder must be waited for. What is wrong with the file is never said here. */
export function judgeCopy(
  look: CopyLook | undefined,
  info: SourceInfo,
  plan: Plan,
  log: Log,
): Copyable | undefined {
  const { video, facts, indexed } = look ?? {};
  if (!plan.source.isSeekable || video?.index !== plan.source.videoStreamIndex) return undefined;
  const { instant, reasons } = judgeInstant({
    container: 'mp4',
    video,
    ladder: ladderAlone(plan).renditions,
    ...facts!,
  });
  const planned = instant === 'yes' ? planInstant(indexed!, info, plan) : undefined;
  log.info('instant.judged', { instant, reasons: reasons.map(({ code }) => code), isPlanned: !!planned });
  return planned && { ...planned, avcC: video.configuration! };
}

/** Most indexes are at the end of the file; its blocks come while the head is still looked at. */
function fetchTail(source: TaskContext['source']): void {
  for (const offset of [1, BLOCK_BYTES, 2 * BLOCK_BYTES].map((back) => source.sizeBytes - back)) {
    // Whoever needs these bytes meets the failure.
    if (offset >= 0) source.read(offset, 1).catch(() => undefined);
  }
}

/** First, last and between. */
function sampleOf(gops: Gop[]): Gop[] {
  if (gops.length <= KEYS_SEEN) return gops;
  const step = (gops.length - 1) / (KEYS_SEEN - 1);
  return Array.from({ length: KEYS_SEEN }, (_, index) => gops[Math.round(index * step)]!);
}

/** Reads the few bytes that are wanted of a key picture in one go. */
function peeking(source: TaskContext['source']): ByteSource {
  const seen = new Map<number, Promise<Uint8Array>>();
  const { sizeBytes } = source;
  return {
    sizeBytes,
    async read(offset, length) {
      for (const [start, bytes] of seen) {
        if (offset < start || offset + length > start + PEEK_BYTES) continue;
        return (await bytes).subarray(offset - start, offset - start + length);
      }
      const bytes = source.peek(offset, Math.min(Math.max(length, PEEK_BYTES), sizeBytes - offset));
      seen.set(offset, bytes);
      return (await bytes).subarray(0, length);
    },
  };
}

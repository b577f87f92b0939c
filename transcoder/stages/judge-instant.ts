// Whether a source can be played by a copy of its pictures, and if so on which timeline.
import { judgeInstant } from '../../shared/instant.ts';
import { type IndexedSource, planInstant } from '../../shared/instant-timeline.ts';
import { KIB } from '../../shared/limits.ts';
import type { Plan } from '../../shared/plan.ts';
import type { PlannedInstant } from '../../shared/plan-instant.ts';
import type { ByteSource } from '../../shared/probe/byte-source.ts';
import { isoCopyFacts } from '../../shared/probe/iso-copy-facts.ts';
import type { Gop } from '../../shared/probe/iso-gops.ts';
import type { SourceInfo } from '../../shared/source-info.ts';
import { isRefusal, readIndexedSource } from '../indexed-source.ts';
import type { TaskContext } from '../task-context.ts';

/** Key pictures whose first bytes are looked at; all are, once more, when they are copied. */
const KEYS_SEEN = 12;
/** Enough for parameter sets and notes before a first slice. */
const PEEK_BYTES = 2 * KIB;
/** As many as the index may have: it is all at hand. */
const MAX_PACKETS = Number.POSITIVE_INFINITY;

export type Copyable = { instant: PlannedInstant; indexed: IndexedSource };

/** Undefined where the ladder must be waited for. What is wrong with the file is never said here. */
export async function judgeCopy(
  { source, log }: Pick<TaskContext, 'source' | 'log'>,
  info: SourceInfo,
  plan: Plan,
): Promise<Copyable | undefined> {
  if (info.demuxer !== 'mov' || !plan.source.isSeekable) return undefined;
  try {
    const indexed = await readIndexedSource(source);
    const video = indexed.streams[plan.source.videoStreamIndex];
    if (video?.kind !== 'video') return undefined;
    const look = { maxPackets: MAX_PACKETS, keysToSee: sampleOf, areKeysSampled: true };
    const facts = await isoCopyFacts(peeking(source), indexed.index, video, look);
    const { instant, reasons } = judgeInstant({
      container: 'mp4',
      video,
      ladder: plan.renditions,
      ...facts,
    });
    const planned = instant === 'yes' ? planInstant(indexed, info, plan) : undefined;
    log.info('instant.judged', { instant, reasons: reasons.map(({ code }) => code), isPlanned: !!planned });
    return planned && { instant: planned, indexed };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    log.info('instant.judged', { instant: 'no', reasons: ['index'] });
    return undefined;
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

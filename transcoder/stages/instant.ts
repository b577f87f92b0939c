// Makes the rendition that can be played before anything is encoded: the source's own pictures, and its default
// sound, laid out anew in segments. A segment is a function of the source and the plan, so an attempt goes on where
// the last one stopped.
import { AppError } from '../../shared/errors.ts';
import { type CopiedAudio, SILENCE } from '../../shared/instant-audio.ts';
import {
  type CopySources,
  copySources,
  instantAudioOf,
  instantBoundary,
} from '../../shared/instant-timeline.ts';
import type { CopiedVideo } from '../../shared/instant-video.ts';
import { errorFields } from '../../shared/log.ts';
import type { SegmentFacts } from '../../shared/messages.ts';
import { audioStem, instantPrefix, videoStem } from '../../shared/object-keys.ts';
import type { Plan, PlannedAudio } from '../../shared/plan.ts';
import { type InstantSegment, instantSegmentCount, type PlannedInstant } from '../../shared/plan-instant.ts';
import { runEncoder } from '../encoder-run.ts';
import { audioCommand } from '../ffmpeg/args.ts';
import { isRefusal, readIndexedSource } from '../indexed-source.ts';
import {
  type AacFrame,
  type AudioFormat,
  type AudioSegment,
  assembleAudioSegment,
  audioFormat,
  audioSegments,
} from '../isobmff/audio-track.ts';
import { readAvcRecord } from '../isobmff/avc-units.ts';
import { malformed } from '../isobmff/boxes.ts';
import { copyVideoSegment } from '../isobmff/copied-segment.ts';
import { GrowingFile, type Writer } from '../isobmff/growing-file.ts';
import { aacInit, avcInit } from '../isobmff/write-init.ts';
import { createSegmentStore, type SegmentStore } from '../segment-store.ts';
import type { TaskContext } from '../task-context.ts';

type Copy = {
  context: TaskContext;
  plan: Plan;
  instant: PlannedInstant;
  store: SegmentStore;
  video: Segments;
  /** Undefined where the sound must be encoded. */
  sound: Segments | undefined;
};

/** What of the source is taken, and the record its decoder must have first. */
type Copied = { sources: CopySources; avcC: Uint8Array };

/** Segment `index` of a track, and nothing after the last. */
type Segments = (index: number) => Promise<Uint8Array | undefined>;

/** A player's first buffer: with so many segments a rendition may be announced. */
const FIRST_SEGMENTS = 3;

/**
 * Makes the first segments while the plan is still at hand, so that they can be played as soon as it is accepted.
 * Returns the mark they come to: 0 where the sound must be encoded. Whatever is wrong is met again, and said, by
 * the task that makes the rest.
 */
export async function beginInstant(context: TaskContext, plan: Plan, source: Copied): Promise<number> {
  if (!plan.instant) return 0;
  try {
    const copy = await openCopy(context, plan, source);
    if (!copy.sound) return 0;
    const mark = Math.min(FIRST_SEGMENTS, instantSegmentCount(plan.instant));
    const make = async (index: number) =>
      putSegment(copy, index, await Promise.all([copy.video(index), copy.sound?.(index)]));
    await Promise.all(Array.from({ length: mark }, (_, index) => make(index)));
    return mark;
  } catch (error) {
    context.signal.throwIfAborted();
    context.log.warn('instant.not_begun', errorFields(error));
    return 0;
  }
}

/**
 * Copies what is missing and returns the mark of the whole.
 *
 * @throws AppError verification_failed where the source is not what its index said.
 */
export async function copyInstant(context: TaskContext, plan: Plan): Promise<number> {
  const indexed = await readIndexedSource(context.source).catch((error: unknown) => {
    throw isRefusal(error) ? malformed('The index of the source is not the one that was planned by.') : error;
  });
  const sources = copySources(indexed, plan);
  const avcC = indexed.streams[plan.source.videoStreamIndex]?.configuration;
  if (!sources || !avcC) throw malformed('The source is not the one that was planned.');
  const copy = await openCopy(context, plan, { sources, avcC });
  const { mark } = context.claim.task;
  await copySegments(copy, copy.sound ? mark : await encodeSound(copy, mark));
  return instantSegmentCount(copy.instant);
}

async function openCopy(context: TaskContext, plan: Plan, { sources, avcC }: Copied): Promise<Copy> {
  const { instant } = plan;
  if (!instant) throw new AppError('plan_invalid', { detail: 'The plan has no copy to make.' });
  const prefix = instantPrefix(context.claim.job.outputPrefix);
  // What is protected is never copied: it would be there in the clear.
  if (plan.protection) throw new AppError('plan_invalid', { detail: 'A protected video has no copy.' });
  const store = createSegmentStore(context.r2, prefix, context.log, undefined);
  const audio = instant.audio && instantAudioOf(plan);
  const { timescale, width, height } = instant.video;
  const [init] = await Promise.all([
    store.putInit(videoStem(instant.video.name), avcInit({ timescale, width, height, avcC })),
    audio &&
      sources.audio &&
      store.putInit(audioStem(audio.name), aacInit({ ...sources.audio, channels: audio.channels })),
  ]);
  if (init.codecs !== instant.video.codecs) throw malformed(`The copy is ${init.codecs}, not as planned.`);
  const sound = audio && sources.audio ? soundOf(context, instant, audio, sources.audio) : undefined;
  return {
    ...{ context, plan, instant, store, video: videoOf(context, sources.video, avcC) },
    sound: audio ? sound : async () => undefined,
  };
}

/** One segment is read and laid out while the one before is stored. */
async function copySegments(copy: Copy, from: number): Promise<void> {
  const count = instantSegmentCount(copy.instant);
  const make = (index: number) => Promise.all([copy.video(index), copy.sound?.(index)]);
  let next = from < count ? make(from) : undefined;
  for (let index = from; next; index++) {
    const made = await next;
    next = index + 1 < count ? make(index + 1) : undefined;
    next?.catch(() => undefined); // met when it is awaited, if nothing fails before
    await putSegment(copy, index, made);
    await copy.context.commit(index + 1);
  }
}

async function putSegment(
  { context, instant, store }: Copy,
  index: number,
  [video, sound]: [Uint8Array | undefined, Uint8Array | undefined],
): Promise<void> {
  context.signal.throwIfAborted();
  const put = async (stem: string, planned: InstantSegment | undefined, bytes: Uint8Array | undefined) => {
    if (!bytes) return undefined;
    const facts = await store.putSegment(stem, index, bytes);
    requireAsPlanned(facts, planned);
    return facts;
  };
  const [picture] = await Promise.all([
    put(videoStem(instant.video.name), instant.video.segments[index], video),
    instant.audio && put(audioStem(instant.audio.name), instant.audio.segments[index], sound),
  ]);
  if (picture && picture.keyTicks[0] !== picture.startTicks) {
    throw malformed(`Segment ${index} of the copy does not begin with a key picture.`);
  }
}

function requireAsPlanned(facts: SegmentFacts, planned: InstantSegment | undefined): void {
  const { index, startTicks, durationTicks } = facts;
  if (planned && startTicks === planned.startTicks && durationTicks === planned.durationTicks) return;
  throw malformed(
    `Segment ${index} of the copy lasts ${durationTicks} ticks from ${startTicks}; ` +
      `planned are ${planned?.durationTicks} from ${planned?.startTicks}.`,
  );
}

function videoOf({ source }: TaskContext, copied: CopiedVideo, avcC: Uint8Array): Segments {
  const record = readAvcRecord(avcC);
  return async (index) =>
    copied.segments[index] ? copyVideoSegment(source, copied, record, index) : undefined;
}

/** The source's own AAC frames. */
function soundOf(
  { source }: TaskContext,
  instant: PlannedInstant,
  audio: PlannedAudio,
  copied: CopiedAudio,
): Segments {
  const { samples, frames } = copied;
  const init = aacInit({ ...copied, channels: audio.channels });
  const format: AudioFormat = { ...audioFormat(init, audio.channels), hiddenTicks: copied.hiddenTicks };
  const frameOf = (sample: number): AacFrame =>
    sample === SILENCE
      ? { sizeBytes: format.silentFrame.length, fileOffset: 'silence' }
      : { sizeBytes: samples.sizes[sample]!, fileOffset: samples.offsets[sample]! };
  const file = {
    async readInto(target: Uint8Array, offset: number) {
      target.set(await source.read(offset, target.length));
    },
  };
  return async (index) => {
    const planned = instant.audio?.segments[index];
    if (!planned) return undefined;
    const firstFrame = planned.startTicks / copied.frameTicks;
    const count = planned.durationTicks / copied.frameTicks;
    const own = Array.from(frames.subarray(firstFrame, firstFrame + count), frameOf);
    return assembleAudioSegment(file, { index, firstFrame, frames: own }, format);
  };
}

type SoundPart = { file: GrowingFile; format: AudioFormat; segment: AudioSegment };

/** Sound that must be encoded sets the pace: each of its segments takes the video's along. The mark it comes to. */
async function encodeSound(copy: Copy, mark: number): Promise<number> {
  const { context, plan } = copy;
  const audio = instantAudioOf(plan);
  if (!audio) throw new AppError('plan_invalid', { detail: 'The plan has no sound for its copy.' });
  const path = context.scratch.path('instant-audio.mp4');
  const input = { url: context.source.url, threads: context.threads };
  const stem = audioStem(audio.name);
  let stored = 0;
  await using files = new AsyncDisposableStack();
  await runEncoder<SoundPart>(context, audioCommand(plan, { ...audio, isCopied: false }, input, path), {
    segments: (writer) => plannedSound(copy, audio, path, writer, files),
    async store({ file, format, segment }) {
      const { index } = segment;
      if (index === 0) await copy.store.putInit(stem, format.init);
      stored = index + 1;
      if (index < mark) return;
      const bytes = await assembleAudioSegment(file, segment, format);
      await putSegment(copy, index, [await copy.video(index), bytes]);
      await context.commit(index + 1);
    },
  });
  if (stored < (copy.instant.audio?.segments.length ?? 0))
    throw malformed('The sound of the copy ends early.');
  return Math.max(mark, stored);
}

/** What the encoder writes, cut as planned: an encoder may end a frame earlier or later than was reckoned. */
async function* plannedSound(
  { plan, instant }: Copy,
  audio: PlannedAudio,
  path: string,
  writer: Writer,
  files: AsyncDisposableStack,
): AsyncGenerator<SoundPart, void, void> {
  const file = files.use(new GrowingFile(path, writer));
  const planned = instant.audio?.segments ?? [];
  const writtenInit = await file.init();
  if (!writtenInit) return;
  const format = audioFormat(writtenInit, audio.channels);
  if (format.timescale !== instant.audio?.timescale) {
    throw malformed(`The sound of the copy has ${format.timescale} samples a second, not as planned.`);
  }
  const framesOf = (index: number) => (planned[index]?.durationTicks ?? 0) / format.frameTicks;
  const boundary = instantBoundary(instant.video, plan.segmentSeconds);
  let index = 0;
  let firstFrame = 0;
  let frames: AacFrame[] = [];
  const complete = (): SoundPart => {
    const part = { file, format, segment: { index, firstFrame, frames } };
    firstFrame += frames.length;
    index++;
    frames = [];
    return part;
  };
  for await (const segment of audioSegments(file.fragments(), format, boundary)) {
    for (const frame of segment.frames) {
      if (index < planned.length) frames.push(frame);
      if (index < planned.length && frames.length === framesOf(index)) yield complete();
    }
  }
  // A track that ends before its own index says so is silent for the rest.
  while (index < planned.length) {
    while (frames.length < framesOf(index)) {
      frames.push({ sizeBytes: format.silentFrame.length, fileOffset: 'silence' });
    }
    yield complete();
  }
}

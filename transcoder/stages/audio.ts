// Makes one audio rendition: a whole track in one run, cut into segments near the video's boundaries, each
// stored and committed as it comes. A retry runs from the start again, since it costs little, and passes over
// what is committed.
import { AppError } from '../../shared/errors.ts';
import { errorFields } from '../../shared/log.ts';
import type { InitFacts, SegmentFacts, TaskFacts } from '../../shared/messages.ts';
import { audioStem } from '../../shared/object-keys.ts';
import type { Plan, PlannedAudio } from '../../shared/plan.ts';
import { frameSeconds } from '../../shared/timeline.ts';
import { isBrokenSound, isDamaged, soundCut, soundDamaged, soundDropped } from '../broken-sound.ts';
import { runEncoder } from '../encoder-run.ts';
import { encryptionOf } from '../encryption.ts';
import { audioCommand } from '../ffmpeg/args.ts';
import { gainFilters } from '../ffmpeg/loudness-args.ts';
import { type FfmpegCommand, startFfmpeg } from '../ffmpeg/run.ts';
import { soundCheckCommand } from '../ffmpeg/sound-check-args.ts';
import { verdictOn } from '../ffmpeg/verdict.ts';
import {
  type AudioFormat,
  type AudioSegment,
  assembleAudioSegment,
  audioFormat,
  audioSegments,
} from '../isobmff/audio-track.ts';
import { GrowingFile } from '../isobmff/growing-file.ts';
import { loudnessGainDb } from '../loudness.ts';
import { unpacked } from '../packed-sound.ts';
import { createSegmentStore } from '../segment-store.ts';
import type { TaskContext } from '../task-context.ts';

type AudioPart = { file: GrowingFile; format: AudioFormat; segment: AudioSegment };

/**
 * Sound that cannot be had does not end the job: a track without any is left out, one that breaks off ends there,
 * and the facts say so.
 *
 * @param trackIndex Place in `plan.audio`.
 * @throws AppError init_mismatch where another encoder's init segment is stored.
 */
export async function encodeAudio(context: TaskContext, plan: Plan, trackIndex: number): Promise<TaskFacts> {
  const audio = plan.audio[trackIndex];
  if (!audio) throw new AppError('plan_invalid', { detail: `The plan has no audio track ${trackIndex}.` });
  const encryption = encryptionOf(context, plan.protection);
  const store = createSegmentStore(context.r2, context.claim.job.outputPrefix, context.log, encryption);
  const stem = audioStem(audio.name);
  const path = context.scratch.path(`audio-${trackIndex}.mp4`);
  const { mark } = context.claim.task;
  const segments: SegmentFacts[] = [];
  let init: InitFacts | undefined;

  await using files = new AsyncDisposableStack();
  const encode = async () => {
    const command = await commandOf(context, plan, audio, path);
    return await runEncoder<AudioPart>(context, command, {
      segments: (writer) => parts(files.use(new GrowingFile(path, writer)), plan, audio.channels),
      async store({ file, format, segment }) {
        init ??= await store.putInit(stem, format.init);
        if (segment.index < mark) {
          segments.push(await store.storedSegment(stem, segment.index));
          return;
        }
        const bytes = await assembleAudioSegment(file, segment, format);
        segments.push(await store.putSegment(stem, segment.index, bytes));
        await context.commit(segment.index + 1);
      },
    });
  };
  const run = await encode().catch((error: unknown) => {
    if (!isBrokenSound(error, context)) throw error;
    context.log.warn('audio.broken', { stem, segments: segments.length, ...errorFields(error) });
    return undefined;
  });
  if (!init) return { version: 1, tracks: [], dropped: stem, warnings: [soundDropped(audio.label)] };

  const end = segments.at(-1)!;
  const warnings = !run
    ? [soundCut(audio.label, (end.startTicks + end.durationTicks) / init.timescale)]
    : isDamaged(run.complaints)
      ? [soundDamaged(audio.label)]
      : [];
  return {
    version: 1,
    tracks: [{ stem, init, segments }],
    cpuSeconds: run?.cpuSeconds ?? 0,
    ...(warnings.length > 0 && { warnings }),
  };
}

async function commandOf(
  context: TaskContext,
  plan: Plan,
  planned: PlannedAudio,
  path: string,
): Promise<FfmpegCommand> {
  const source = { url: context.source.url, threads: context.threads };
  // Damaged frames must not reach a player that may not be as patient; what is encoded anew has none.
  const isCopied =
    planned.isCopied && (await decodesCleanly(context, soundCheckCommand(plan, planned, source)));
  const audio = { ...planned, isCopied };
  const sound = await unpacked(context, { plan, audio, input: source });
  const filters = gainFilters(audio, await loudnessGainDb(context, plan, audio));
  return audioCommand(sound.plan, sound.audio, sound.input, path, filters);
}

async function decodesCleanly(context: TaskContext, command: FfmpegCommand): Promise<boolean> {
  const { scratch, limits, signal, source } = context;
  const complaints = await startFfmpeg(command, { directory: scratch.directory, limits, signal }).done.then(
    (result) => result.complaints,
    (error: unknown) => {
      signal.throwIfAborted();
      if (!isBrokenSound(verdictOn(error), context)) throw source.failure ?? error;
      return undefined;
    },
  );
  if (source.failure !== undefined) throw source.failure;
  return complaints !== undefined && !isDamaged(complaints);
}

async function* parts(
  file: GrowingFile,
  plan: Plan,
  channels: number,
): AsyncGenerator<AudioPart, void, void> {
  const writtenInit = await file.init();
  if (!writtenInit) return;
  const format = audioFormat(writtenInit, channels);
  const boundarySeconds = (index: number) => frameSeconds(index * plan.segmentFrames, plan.fps);
  for await (const segment of audioSegments(file.fragments(), format, boundarySeconds)) {
    yield { file, format, segment };
  }
}

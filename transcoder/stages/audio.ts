// Makes one audio rendition: a whole track in one run, cut into segments near the video's boundaries, each
// stored and committed as it comes. A retry runs from the start again, since it costs little, and passes over
// what is committed.
import { AppError } from '../../shared/errors.ts';
import type { InitFacts, SegmentFacts, TaskFacts } from '../../shared/messages.ts';
import { audioStem } from '../../shared/object-keys.ts';
import type { Plan } from '../../shared/plan.ts';
import { frameSeconds } from '../../shared/timeline.ts';
import { runEncoder } from '../encoder-run.ts';
import { audioCommand } from '../ffmpeg/args.ts';
import { gainFilters } from '../ffmpeg/loudness-args.ts';
import {
  type AudioFormat,
  type AudioSegment,
  assembleAudioSegment,
  audioFormat,
  audioSegments,
} from '../isobmff/audio-track.ts';
import { GrowingFile } from '../isobmff/growing-file.ts';
import { loudnessGainDb } from '../loudness.ts';
import { createSegmentStore } from '../segment-store.ts';
import type { TaskContext } from '../task-context.ts';

type AudioPart = { file: GrowingFile; format: AudioFormat; segment: AudioSegment };

/**
 * @param trackIndex Place in `plan.audio`.
 * @throws AppError media_malformed where the track holds no sound at all, init_mismatch where another encoder's
 * init segment is stored.
 */
export async function encodeAudio(context: TaskContext, plan: Plan, trackIndex: number): Promise<TaskFacts> {
  const audio = plan.audio[trackIndex];
  if (!audio) throw new AppError('plan_invalid', { detail: `The plan has no audio track ${trackIndex}.` });
  const store = createSegmentStore(context.r2, context.claim.job.outputPrefix, context.log);
  const stem = audioStem(audio.name);
  const path = context.scratch.path(`audio-${trackIndex}.mp4`);
  const { mark } = context.claim.task;
  const segments: SegmentFacts[] = [];
  let init: InitFacts | undefined;

  const filters = gainFilters(audio, await loudnessGainDb(context, plan, audio));
  await using files = new AsyncDisposableStack();
  const { cpuSeconds } = await runEncoder<AudioPart>(
    context,
    audioCommand(plan, audio, { url: context.source.url, threads: context.threads }, path, filters),
    {
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
    },
  );
  if (!init) {
    throw new AppError('media_malformed', { detail: `The audio track "${audio.label}" holds no sound.` });
  }
  return { version: 1, tracks: [{ stem, init, segments }], cpuSeconds };
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

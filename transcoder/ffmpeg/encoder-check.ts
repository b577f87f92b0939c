// Which encoders this machine really has: that ffmpeg knows a name says nothing of the hardware behind it.
import { createHash } from 'node:crypto';
import type { VideoEncoder } from '../../shared/encoder.ts';
import { AppError } from '../../shared/errors.ts';
import { GrowingFile } from '../isobmff/growing-file.ts';
import { createScratch } from '../scratch.ts';
import { GLOBAL_OPTIONS, MP4_OPTIONS } from './args.ts';
import { encoderOptions } from './encoder-options.ts';
import { FfmpegError, type RunLimits, startFfmpeg } from './run.ts';

export type CheckedEncoders = {
  encoders: VideoEncoder[];
  /** Tells machines apart whose hardware writes another init segment, which must not share a job. */
  fingerprint: string;
};

const CHECK_SECONDS = 30;
const RUNG = { name: 'check', width: 256, height: 144, crf: 23, maxBitrateBps: 400_000, bufferBits: 800_000 };

/**
 * Encodes one picture with the encoder that was asked for. libx264 is everywhere.
 *
 * @throws AppError encoder_not_available where it cannot be done here.
 */
export async function checkEncoder(
  wanted: VideoEncoder,
  scratchRoot: string,
  limits: RunLimits,
): Promise<CheckedEncoders> {
  if (wanted === 'libx264') return { encoders: ['libx264'], fingerprint: '' };
  await using scratch = await createScratch('encoder-check', scratchRoot);
  const path = scratch.path('check.mp4');
  const plan = { encoder: { codec: wanted, preset: 'veryfast' as const }, gopFrames: 1 };
  try {
    await startFfmpeg(
      {
        inputs: [{ options: [...GLOBAL_OPTIONS, '-f', 'lavfi'], url: 'color=c=gray:s=256x144:r=25:d=1' }],
        outputs: [
          {
            options: [
              '-frames:v',
              '1',
              '-pix_fmt',
              'yuv420p',
              ...encoderOptions(plan, RUNG, 1),
              ...MP4_OPTIONS,
            ],
            path,
          },
        ],
        usesGpu: true,
      },
      { directory: scratch.directory, limits: { ...limits, wallSeconds: CHECK_SECONDS } },
    ).done;
  } catch (error) {
    throw new AppError('encoder_not_available', {
      detail:
        `ENCODER is ${wanted}, but this machine cannot encode with it: ${firstWordsOf(error)} ` +
        'It needs an NVIDIA GPU with NVENC, its driver in the container, and an ffmpeg built with it.',
      cause: error,
    });
  }
  await using file = new GrowingFile(path, { hasEnded: true });
  const init = (await file.init()) ?? new Uint8Array();
  return {
    encoders: ['libx264', wanted],
    fingerprint: createHash('sha256').update(init).digest('hex'),
  };
}

/** The first complaint is the cause; what follows tells that nothing came of it. */
function firstWordsOf(error: unknown): string {
  if (!(error instanceof FfmpegError)) return 'the check could not be run.';
  const words = error.stderrTail.find((line) => line.trim() !== '') ?? error.message;
  return `${words.replace(/^\[[^\]]*\]\s*/, '').replace(/\.?$/, '.')}`;
}

// Which encoder this is. Workers of one profile write the same init segments, so only they share a job.
import { createHash } from 'node:crypto';
import { ffmpegVersion } from './run.ts';

/** Raise it when what the encoder writes changes, or what a plan may ask of it. */
const ARGUMENTS_VERSION = 6;

/** The oldest ffmpeg the recipes are proven on. */
const MIN_MAJOR_VERSION = 5;

/**
 * Identity of the encoder: ffmpeg build, thread count, argument version, and what the hardware writes.
 *
 * @throws FfmpegError where there is no ffmpeg, Error where it is too old or cannot encode H.264.
 */
export async function encoderProfile(
  threads: number,
  hardware = '',
): Promise<{ profile: string; version: string }> {
  const text = await ffmpegVersion();
  const version = /^ffmpeg version (\S+)/.exec(text)?.[1] ?? 'unknown';
  const major = Number(/^n?(\d+)\./.exec(version)?.[1]); // builds from git have no number and are taken at their word
  if (major < MIN_MAJOR_VERSION)
    throw new Error(`ffmpeg ${version} is too old; ${MIN_MAJOR_VERSION}.1 is needed`);
  if (!text.includes('--enable-libx264')) throw new Error(`ffmpeg ${version} was built without libx264`);
  const digest = createHash('sha256')
    .update(`${ARGUMENTS_VERSION}\n${threads}\n${text}${hardware}`)
    .digest('hex');
  return { profile: digest.slice(0, 32), version };
}

// Is the video what its source is? Compared with what the source's own index said before the import.
import type { Video } from '../../shared/api.ts';
import type { Certificate } from './migration-client.ts';
import type { Check } from './outcome.ts';
import type { ProbedSource } from './probe-remote.ts';

export const DURATION_TOLERANCE_SECONDS = 0.1;
/** Where the last picture's end falls between two of the film's. */
const FRAME_TOLERANCE = 1;

/** @param probed undefined where the source could not be looked into: then the certificate alone speaks. */
export function checksOf(
  video: Video,
  jobId: string,
  certificate: Certificate,
  probed: ProbedSource | undefined,
): Check[] {
  const checks: Check[] = [
    {
      name: 'certificate',
      isRight: certificate.jobId === jobId && certificate.checks.length > 0,
      note: `${certificate.checks.length} checks of job ${certificate.jobId}`,
    },
  ];
  if (!probed) return checks;
  const { durationSeconds = 0, frameRate = 0 } = video;
  const frames = Math.round(probed.picturesEndSeconds * frameRate);
  return [
    ...checks,
    {
      name: 'duration',
      isRight: Math.abs(durationSeconds - probed.durationSeconds) <= DURATION_TOLERANCE_SECONDS,
      note: `${durationSeconds.toFixed(3)} s of ${probed.durationSeconds.toFixed(3)} s`,
    },
    {
      name: 'frames',
      isRight: Math.abs(certificate.totalFrames - frames) <= FRAME_TOLERANCE,
      note: `${certificate.totalFrames} of ${frames} at ${frameRate} a second`,
    },
    {
      name: 'audio',
      isRight: probed.audioTracks === 0 || video.audio.length > 0,
      note: `${video.audio.length} of ${probed.audioTracks} tracks`,
    },
  ];
}

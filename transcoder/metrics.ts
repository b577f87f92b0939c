// What this process has counted since it began, for /metrics of its health port.
import { createTally, prometheusText } from '../shared/metrics.ts';
import { TRANSCODER_METRICS } from '../shared/metrics-transcoder.ts';
import type { FfmpegError } from './ffmpeg/ffmpeg-error.ts';

export const meter = createTally(TRANSCODER_METRICS);

/** Ladders may have rungs of any size, and a label few values: each counts as the next of these. */
const RUNG_PIXELS = [240, 360, 480, 720, 1080, 1440, 2160];

/** @param name of a rendition, such as `720p` */
export function rungLabel(name: string): string {
  const pixels = Number.parseInt(name, 10);
  const rung = RUNG_PIXELS.find((candidate) => candidate >= pixels) ?? RUNG_PIXELS.at(-1)!;
  return `${rung}p`;
}

export type EncodedRun = { rungs: string[]; frames: number; mediaSeconds: number; seconds: number };

/** One run has made all of these rungs, so each of them took as long as the run. */
export function countEncode({ rungs, frames, mediaSeconds, seconds }: EncodedRun): void {
  for (const name of rungs) {
    const rung = { rung: rungLabel(name) };
    meter.count('reelay_transcoder_encoded_frames_total', rung, frames);
    meter.count('reelay_transcoder_encoded_media_seconds_total', rung, mediaSeconds);
    meter.count('reelay_transcoder_encode_seconds_total', rung, seconds);
  }
}

/** @param error undefined where it went well */
export function countFfmpegExit(tool: 'ffmpeg' | 'ffprobe', error?: FfmpegError): void {
  meter.count('reelay_transcoder_ffmpeg_exits_total', { tool, verdict: error ? verdictOf(error) : 'ok' });
}

function verdictOf(error: FfmpegError): string {
  if (error.isAborted) return 'aborted';
  if (error.isTimeout) return 'timeout';
  if (error.isOutOfMemory) return 'memory';
  return error.signal === null ? 'error' : 'signal';
}

export type MachineState = { slots: number; running: string[]; isDraining: boolean; memoryBytes?: number };

/** Prometheus text of all that was counted and of how this process stands. */
export function metricsText({ slots, running, isDraining, memoryBytes }: MachineState): string {
  const { rss, heapUsed } = process.memoryUsage();
  meter.set('reelay_transcoder_slots', { state: 'all' }, slots);
  meter.set('reelay_transcoder_slots', { state: 'used' }, running.length);
  meter.set('reelay_transcoder_memory_bytes', { kind: 'rss' }, rss);
  meter.set('reelay_transcoder_memory_bytes', { kind: 'heap' }, heapUsed);
  if (memoryBytes !== undefined) {
    meter.set('reelay_transcoder_memory_bytes', { kind: 'limit' }, memoryBytes);
  }
  meter.set('reelay_transcoder_uptime_seconds', {}, Math.round(process.uptime()));
  meter.set('reelay_transcoder_draining', {}, isDraining ? 1 : 0);
  return prometheusText(TRANSCODER_METRICS, meter.series());
}

// What a transcoder tells at /metrics of its health port. A metric is a row; nothing else names one.
import type { MetricTable } from './metrics.ts';

const TASK_SECONDS = [0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600];

export const TRANSCODER_METRICS = {
  reelay_transcoder_tasks_total: {
    type: 'counter',
    help: 'Tasks that ended here: done, media, resources, retryable, released, or lost with their lease.',
    labels: ['kind', 'outcome'],
  },
  reelay_transcoder_task_seconds: {
    type: 'histogram',
    help: 'How long tasks that were done took.',
    labels: ['kind'],
    buckets: TASK_SECONDS,
  },
  reelay_transcoder_encoded_frames_total: {
    type: 'counter',
    help: 'Frames encoded, by rung. Frames per second are its rate over that of encode_seconds_total.',
    labels: ['rung'],
  },
  reelay_transcoder_encoded_media_seconds_total: {
    type: 'counter',
    help: 'Seconds of film encoded, by rung. Times real time is its rate over that of encode_seconds_total.',
    labels: ['rung'],
  },
  reelay_transcoder_encode_seconds_total: {
    type: 'counter',
    help: 'Seconds in which a rung was encoded; the rungs of a chunk share one run.',
    labels: ['rung'],
  },
  reelay_transcoder_storage_bytes_total: {
    type: 'counter',
    help: 'Bytes read from R2 and written to it.',
    labels: ['direction'],
  },
  reelay_transcoder_lease_losses_total: {
    type: 'counter',
    help: 'Tasks that became somebody else’s while this transcoder worked on them.',
    labels: [],
  },
  reelay_transcoder_retries_total: {
    type: 'counter',
    help: 'Calls that were made again after trouble.',
    labels: ['to'],
  },
  reelay_transcoder_ffmpeg_exits_total: {
    type: 'counter',
    help: 'Runs of ffmpeg and ffprobe: ok, error, signal, timeout, memory or aborted.',
    labels: ['tool', 'verdict'],
  },
  reelay_transcoder_ffmpeg_cpu_seconds_total: {
    type: 'counter',
    help: 'CPU time of runs of ffmpeg that succeeded.',
    labels: [],
  },
  reelay_transcoder_slots: {
    type: 'gauge',
    help: 'Tasks this transcoder can do at a time, and how many it is doing.',
    labels: ['state'],
  },
  reelay_transcoder_memory_bytes: {
    type: 'gauge',
    help: 'Memory of this process (rss, heap) and what its tasks may take (limit); ffmpeg is not in it.',
    labels: ['kind'],
  },
  reelay_transcoder_uptime_seconds: {
    type: 'gauge',
    help: 'Since this process began.',
    labels: [],
  },
  reelay_transcoder_draining: {
    type: 'gauge',
    help: '1 once it takes no more work.',
    labels: [],
  },
} as const satisfies MetricTable;

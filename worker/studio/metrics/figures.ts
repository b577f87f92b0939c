// The numbers of /v1/stats in a person's order and words.
import type { Stats } from '../../../shared/metrics-api.ts';
import { bitrateText, bytesText, spanText } from '../ui/amounts.ts';

export type Figure = { label: string; value: string; tone?: 'warn' | 'bad' };

/** Work that waits for longer than this needs more transcoders. */
const LONG_QUEUE_SECONDS = 60;

export function figuresOf(stats: Stats): Figure[] {
  const { meanProcessingSeconds, cacheHitRatio } = stats;
  const count = (value: number) => value.toLocaleString('en');
  return [
    { label: 'Watching now', value: count(stats.activeSessions) },
    { label: 'Sending', value: bitrateText(stats.throughputBps) },
    { label: 'Sent', value: bytesText(stats.bytesSent) },
    {
      label: 'From caches',
      value: cacheHitRatio === undefined ? '–' : `${(100 * cacheHitRatio).toFixed(1)} %`,
    },
    { label: 'Uploaded', value: bytesText(stats.uploadedBytes) },
    { label: 'Jobs done', value: count(stats.jobsProcessed) },
    {
      label: 'Jobs failed',
      value: count(stats.jobsFailed),
      ...(stats.jobsFailed > 0 && { tone: 'warn' as const }),
    },
    {
      label: 'Mean time of a job',
      value: meanProcessingSeconds === undefined ? '–' : spanText(meanProcessingSeconds),
    },
    { label: 'Jobs open', value: count(stats.jobsQueued + stats.jobsRunning) },
    {
      label: 'Oldest waiting task',
      value: spanText(stats.queueAgeSeconds),
      ...(stats.queueAgeSeconds > LONG_QUEUE_SECONDS && { tone: 'warn' as const }),
    },
    {
      label: 'Leases lapsed',
      value: count(stats.leaseExpiries),
    },
    {
      label: 'Server errors',
      value: count(stats.serverErrors),
      ...(stats.serverErrors > 0 && { tone: 'bad' as const }),
    },
    { label: 'Webhooks delivered', value: count(stats.webhooksDelivered) },
    {
      label: 'Webhooks given up',
      value: count(stats.webhooksFailed),
      ...(stats.webhooksFailed > 0 && { tone: 'warn' as const }),
    },
    { label: 'Watch events', value: count(stats.watchEventsReceived) },
    {
      label: 'Watch events lost',
      value: count(stats.watchEventsLost),
      ...(stats.watchEventsLost > 0 && { tone: 'warn' as const }),
    },
  ];
}

// What a webhook can be told, in words. Of the same kinds as `WebhookEventType`, without its schema's weight.
import type { WebhookEventType } from '../../../shared/webhook-api.ts';

export const EVENTS: Record<WebhookEventType, string> = {
  'upload.completed': 'An upload is complete',
  'video.playable': 'A video can be played, though not all of it is made',
  'video.ready': 'A video is ready',
  'video.failed': 'A video could not be made',
  'video.deleted': 'A video was deleted',
  'job.failed': 'A job has failed',
  'job.cancelled': 'A job was cancelled',
  'migration.item': 'An item of a migration has changed',
  'qoe.alert': 'Viewers have trouble with a video',
};

export const EVENT_TYPES = Object.keys(EVENTS) as WebhookEventType[];

// Webhooks as the public API shows them: endpoints, events and what became of them.
import { z } from 'zod';
import { MAX_IMPORT_URL_CHARS } from './import-url.ts';

export const WebhookEventType = z.enum([
  'upload.completed',
  'video.playable',
  'video.ready',
  'video.failed',
  'video.deleted',
  'job.failed',
  'job.cancelled',
  'migration.item',
  'qoe.alert',
]);
export type WebhookEventType = z.infer<typeof WebhookEventType>;

/** Sent when it is asked for, whatever the endpoint's filter. */
export const PING = 'webhook.ping';

const Url = z.string().min(1).max(MAX_IMPORT_URL_CHARS);
const Description = z.string().trim().max(200);
/** None stands for all, also for those that later versions add. */
const EventFilter = z.array(WebhookEventType).max(50);
export const WebhookStatus = z.enum(['enabled', 'disabled']);
export type WebhookStatus = z.infer<typeof WebhookStatus>;

export const CreateWebhook = z
  .object({ url: Url, description: Description.optional(), events: EventFilter.optional() })
  .strict();
export const WebhookPatch = z
  .object({
    url: Url.optional(),
    description: Description.optional(),
    events: EventFilter.optional(),
    status: WebhookStatus.optional(),
  })
  .strict();
export type WebhookPatch = z.infer<typeof WebhookPatch>;

export type Webhook = {
  id: string;
  url: string;
  description?: string;
  events: WebhookEventType[];
  status: WebhookStatus;
  disabledReason?: string;
  /** While more than one secret signs: when the older ones stop. */
  oldSecretUntil?: string;
  createdAt: string;
};
/** The secret is in the answer that made it and nowhere else. */
export type CreatedWebhook = Webhook & { secret: string };

export const DeliveryState = z.enum(['pending', 'sending', 'delivered', 'exhausted', 'disabled']);
export type DeliveryState = z.infer<typeof DeliveryState>;

export type DeliveryAttempt = { at: string; statusCode?: number; durationMs: number; error?: string };

export type Delivery = {
  id: string;
  /** The `webhook-id` of every attempt. */
  eventId: string;
  type: WebhookEventType | typeof PING;
  state: DeliveryState;
  payload: unknown;
  /** Oldest first; of very many the last ones. */
  attempts: DeliveryAttempt[];
  nextAttemptAt?: string;
  createdAt: string;
};
export type DeliveryList = { deliveries: Delivery[]; nextCursor?: string };

// Webhooks as the public API shows them: endpoints, events and what became of them.
import { z } from 'zod';
import { MAX_IMPORT_URL_CHARS } from './import-url.ts';
import { PageQuery } from './page-cursor.ts';

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

export const Webhook = z.object({
  id: z.string(),
  url: z.string(),
  description: z.string().optional(),
  events: z.array(WebhookEventType),
  status: WebhookStatus,
  disabledReason: z.string().optional(),
  /** While more than one secret signs: when the older ones stop. */
  oldSecretUntil: z.string().optional(),
  createdAt: z.string(),
});
export type Webhook = z.infer<typeof Webhook>;
export const WebhookList = z.object({ webhooks: z.array(Webhook) });
/** The secret is in the answer that made it and nowhere else. */
export const CreatedWebhook = Webhook.extend({ secret: z.string() });
export type CreatedWebhook = z.infer<typeof CreatedWebhook>;

export const DeliveryState = z.enum(['pending', 'sending', 'delivered', 'exhausted', 'disabled']);
export type DeliveryState = z.infer<typeof DeliveryState>;

export const DeliveryQuery = PageQuery.extend({
  state: DeliveryState.optional(),
});

export const DeliveryAttempt = z.object({
  at: z.string(),
  statusCode: z.int().optional(),
  durationMs: z.number(),
  error: z.string().optional(),
});
export type DeliveryAttempt = z.infer<typeof DeliveryAttempt>;

export const Delivery = z.object({
  id: z.string(),
  /** The `webhook-id` of every attempt. */
  eventId: z.string(),
  type: z.union([WebhookEventType, z.literal(PING)]),
  state: DeliveryState,
  payload: z.unknown(),
  /** Oldest first; of very many the last ones. */
  attempts: z.array(DeliveryAttempt),
  nextAttemptAt: z.string().optional(),
  createdAt: z.string(),
});
export type Delivery = z.infer<typeof Delivery>;
export const DeliveryList = z.object({
  deliveries: z.array(Delivery),
  nextCursor: z.string().optional(),
});
export type DeliveryList = z.infer<typeof DeliveryList>;

// Webhooks and API keys.
import { ApiKeyInfo, ApiKeyList, CreateApiKey, CreatedApiKey } from '../api-keys.ts';
import {
  CreatedWebhook,
  CreateWebhook,
  Delivery,
  DeliveryList,
  DeliveryQuery,
  Webhook,
  WebhookList,
  WebhookPatch,
} from '../webhook-api.ts';
import type { OperationTable } from './operation.ts';

const ADDRESS = ['webhook_url_invalid', 'webhook_address_refused'] as const;

export const ACCOUNT_OPERATIONS = {
  'POST /v1/api-keys': {
    summary: 'Make an API key; it is shown once',
    tag: 'API keys',
    access: 'admin',
    body: CreateApiKey,
    answers: { 201: CreatedApiKey },
    errors: ['already_shown'],
    isIdempotent: true,
  },
  'GET /v1/api-keys': {
    summary: 'List API keys',
    tag: 'API keys',
    access: 'admin',
    answers: { 200: ApiKeyList },
    errors: [],
  },
  'GET /v1/api-keys/{id}': {
    summary: 'Read an API key, without the key itself',
    tag: 'API keys',
    access: 'admin',
    answers: { 200: ApiKeyInfo },
    errors: [],
  },
  'DELETE /v1/api-keys/{id}': {
    summary: 'Revoke an API key',
    tag: 'API keys',
    access: 'admin',
    answers: { 204: null },
    errors: [],
  },
  'POST /v1/webhooks': {
    summary: 'Have events sent to a URL; the secret is shown once',
    tag: 'Webhooks',
    access: 'admin',
    body: CreateWebhook,
    answers: { 201: CreatedWebhook },
    errors: [...ADDRESS, 'webhook_limit_reached', 'already_shown'],
    isIdempotent: true,
  },
  'GET /v1/webhooks': {
    summary: 'List webhooks',
    tag: 'Webhooks',
    access: 'admin',
    answers: { 200: WebhookList },
    errors: [],
  },
  'GET /v1/webhooks/{id}': {
    summary: 'Read a webhook',
    tag: 'Webhooks',
    access: 'admin',
    answers: { 200: Webhook },
    errors: [],
  },
  'PATCH /v1/webhooks/{id}': {
    summary: 'Change a webhook, or switch it on again',
    tag: 'Webhooks',
    access: 'admin',
    body: WebhookPatch,
    isBodyOptional: true,
    answers: { 200: Webhook },
    errors: ADDRESS,
  },
  'DELETE /v1/webhooks/{id}': {
    summary: 'Delete a webhook',
    tag: 'Webhooks',
    access: 'admin',
    answers: { 204: null },
    errors: [],
  },
  'POST /v1/webhooks/{id}/rotate': {
    summary: 'A new secret; the old one signs along for a day',
    tag: 'Webhooks',
    access: 'admin',
    answers: { 200: CreatedWebhook },
    errors: ['already_shown'],
    isIdempotent: true,
  },
  'POST /v1/webhooks/{id}/test': {
    summary: 'Send a ping and tell what the receiver answered',
    tag: 'Webhooks',
    access: 'admin',
    answers: { 200: Delivery },
    errors: [],
    isIdempotent: true,
  },
  'GET /v1/webhooks/{id}/deliveries': {
    summary: 'What became of each event, the newest first',
    tag: 'Webhooks',
    access: 'admin',
    query: DeliveryQuery,
    answers: { 200: DeliveryList },
    errors: [],
  },
  'POST /v1/webhooks/{id}/deliveries/{delivery}/resend': {
    summary: 'Send an event once more',
    tag: 'Webhooks',
    access: 'admin',
    answers: { 202: Delivery },
    errors: ['webhook_disabled'],
    isIdempotent: true,
  },
} as const satisfies OperationTable;

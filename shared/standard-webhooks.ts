// Signatures of Standard Webhooks: what we send carries its id, its time and an HMAC-SHA-256 over both and the body.
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

const PREFIX = 'whsec_';
/** The specification wants 24 to 64 bytes. */
const SECRET = /^whsec_(?:[A-Za-z0-9+/]{4}){8,22}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** `whsec_` and base64 of 24 bytes or more. */
export function isWebhookSecret(text: string): boolean {
  return SECRET.test(text);
}

/** The three headers of a message with this body. */
export async function webhookHeaders(
  secret: string,
  message: { id: string; timestampSeconds: number; body: string },
): Promise<Record<string, string>> {
  const bytes = Uint8Array.from(atob(secret.slice(PREFIX.length)), (char) => char.charCodeAt(0));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const signed = `${message.id}.${message.timestampSeconds}.${message.body}`;
  const mac = new Uint8Array(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(signed)));
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(message.timestampSeconds),
    'webhook-signature': `v1,${btoa(String.fromCharCode(...mac))}`,
  };
}

// Where licences of Widevine and PlayReady come from: a vendor's URL, or the operator's own bridge to one.
import { z } from 'zod';
import { AppError } from './errors.ts';
import { checkWebhookUrl } from './webhook-url.ts';

/** What stands in braces in a header is filled in; {@link fillHeaders} does it. */
export const HEADER_FIELDS = [
  ...['keyId', 'key', 'videoId', 'contentId', 'viewerId', 'sessionId', 'deviceId', 'country', 'expiresAt'],
] as const;

/** Those are the connection's, or ours. */
const TAKEN_HEADERS =
  /^(?:host|connection|content-(?:length|type)|transfer-encoding|te|upgrade|expect|cookie)$/i;

const HeaderName = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, 'is no name of a header')
  .refine((name) => !TAKEN_HEADERS.test(name), 'is a header that cannot be set');

const HeaderValue = z
  .string()
  .max(8192)
  .regex(/^[\x20-\x7e]*$/, 'is printable ASCII')
  .refine((value) => unknownField(value) === undefined, 'names an unknown field in braces');

export const DrmVendor = z
  .strictObject({
    url: z.string().transform((text, context): string => {
      try {
        return checkWebhookUrl(text, { allowLoopback: false }).href;
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        context.addIssue({ code: 'custom', message: error.detail });
        return z.NEVER;
      }
    }),
    headers: z.record(HeaderName, HeaderValue).default({}),
    /** Widevine's name for who the content is of; goes into its data in manifests, with the content's id. */
    provider: z
      .string()
      .regex(/^[\x21-\x7e]{1,64}$/)
      .optional(),
    /** False where the vendor is told the key by a header: then it need not be found in what players ask. */
    checksKeyIds: z.boolean().default(true),
    timeoutSeconds: z.number().min(0.1).max(10).default(10),
  })
  .refine(({ checksKeyIds, headers }) => checksKeyIds || Object.values(headers).some(namesContent), {
    // Or one session would open every video.
    message: 'checksKeyIds may be false only where a header has {keyId}, {key}, {videoId} or {contentId}',
  });
export type DrmVendor = z.infer<typeof DrmVendor>;

/** @throws Error that says what is wrong, and repeats nothing of it: headers hold secrets */
export function parseDrmVendor(text: string): DrmVendor {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('is not JSON');
  }
  const result = DrmVendor.safeParse(value);
  if (result.success) return result.data;
  const complaints = result.error.issues.map((issue) => {
    // Of a header's name the reason is one level down.
    const message = issue.code === 'invalid_key' ? issue.issues[0]?.message : issue.message;
    return `${issue.path.join('.')} ${message}`;
  });
  throw new Error(complaints.join('; '));
}

type HeaderField = (typeof HEADER_FIELDS)[number];

/** The headers with their fields, escaped as in a URL: what viewers are called must not break out of its place. */
export function fillHeaders(
  headers: DrmVendor['headers'],
  fields: Record<HeaderField, string>,
): Record<string, string> {
  const filled = (value: string) =>
    value.replaceAll(/\{([A-Za-z]+)\}/g, (_, name: HeaderField) =>
      encodeURIComponent(fields[name].toWellFormed()),
    );
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, filled(value)]));
}

/** Whether a header takes the content key along. */
export function sendsKey({ headers }: Pick<DrmVendor, 'headers'>): boolean {
  return Object.values(headers).some((value) => value.includes('{key}'));
}

function namesContent(header: string): boolean {
  return /\{(?:keyId|key|videoId|contentId)\}/.test(header);
}

function unknownField(value: string): string | undefined {
  const names = [...value.matchAll(/\{([A-Za-z]+)\}/g)].map((match) => match[1]!);
  return names.find((name) => !(HEADER_FIELDS as readonly string[]).includes(name));
}

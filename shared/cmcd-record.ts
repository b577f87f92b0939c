// What is kept of one media request that carried Common Media Client Data (CTA-5004), and the two kinds of message
// that the watch queue carries.
import { z } from 'zod';
import { WatchEvent } from './watch-api.ts';

export const CmcdRecord = z.object({
  sessionId: z.string(),
  /** When the request came, Unix milliseconds. */
  atMs: z.number(),
  /** `720p` of a picture's file; absent for all others. */
  rung: z.string().optional(),
  /** Number of the segment; absent for manifests, init segments, pictures and texts. */
  segment: z.int().optional(),
  isSound: z.boolean().optional(),
  /** `d`: length of what is asked for. */
  durationMs: z.number().optional(),
  /** `br` and `mtp`. */
  bitrateKbps: z.number().optional(),
  throughputKbps: z.number().optional(),
  /** `bl` */
  bufferMs: z.number().optional(),
  /** `su`: needed at once, to start or to go on. */
  isUrgent: z.boolean().optional(),
  /** `bs`: the buffer ran dry since the last request. */
  isStarved: z.boolean().optional(),
  /** `pr` */
  rate: z.number().optional(),
  /** Of the connection, as the edge measured it. */
  roundTripMs: z.number().optional(),
  app: z.string().optional(),
});
export type CmcdRecord = z.infer<typeof CmcdRecord>;

export const WatchMessage = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('events'),
    sessionId: z.string(),
    /** Where the session must belong; of a playback token alone nothing is known. */
    ownerId: z.string().optional(),
    app: z.string(),
    events: z.array(WatchEvent),
  }),
  z.object({
    kind: z.literal('cmcd'),
    records: z.array(CmcdRecord),
    /** Records that this isolate could not keep since its last message. */
    lost: z.int().min(0),
  }),
]);
export type WatchMessage = z.infer<typeof WatchMessage>;

const MAX_APP_CHARS = 64;

/** `MyApp/1.4.2` of a User-Agent; of browsers their own name and first number. */
export function appOf(userAgent: string | null | undefined): string {
  if (!userAgent) return '';
  const browser = /\b(Edg|OPR|Firefox|Chrome|CriOS|FxiOS)\/(\d+)/.exec(userAgent);
  const safari = /\bVersion\/(\d+)[.\d]* (?:Mobile\/\w+ )?Safari\b/.exec(userAgent);
  if (userAgent.startsWith('Mozilla/')) {
    if (browser) return `${browser[1]}/${browser[2]}`;
    return safari ? `Safari/${safari[1]}` : 'Mozilla';
  }
  const [app = ''] = /^[\w.+-]+(?:\/[\w.+-]+)?/.exec(userAgent) ?? [];
  return app.slice(0, MAX_APP_CHARS);
}

// Common Media Client Data of a request (CTA-5004, versions 1 and 2), from its headers or its query, as a record.
// What is not understood is left out: a player's mistake costs its own value and nothing else.
import { decodeCmcd } from '@svta/cml-cmcd';
import { appOf, type CmcdRecord } from '../../shared/cmcd-record.ts';
import { VIDEO_STEM_PATTERN } from '../../shared/object-keys.ts';

const HEADERS = ['CMCD-Object', 'CMCD-Request', 'CMCD-Session', 'CMCD-Status'];
/** No player writes more; the parser's time grows with the length. */
const MAX_CHARS = 4096;
const DAY_MS = 86_400_000;
const SEGMENT_FILE = new RegExp(`^(${VIDEO_STEM_PATTERN}|audio_.+)_(\\d{3,6})\\.m4s$`);

/** What the client says; undefined where it says nothing. Never throws. */
export function cmcdOf(request: Pick<Request, 'url' | 'headers'>): Record<string, unknown> | undefined {
  const texts = request.url.includes('CMCD=')
    ? [new URL(request.url).searchParams.get('CMCD')]
    : HEADERS.map((name) => request.headers.get(name));
  let data: Record<string, unknown> | undefined;
  for (const text of texts) {
    if (!text || text.length > MAX_CHARS) continue;
    try {
      data = { ...data, ...decodeCmcd(text) };
    } catch {
      // A header that is no dictionary: the others may be.
      data ??= {};
    }
  }
  return data;
}

/** The session and file of `/p/{token}/{objectKey}`. */
export type RequestedMedia = { sessionId: string; name: string; atMs: number; roundTripMs?: number };

export function recordOf(
  data: Record<string, unknown>,
  media: RequestedMedia,
  userAgent: string | null,
): CmcdRecord {
  const [, stem = '', rung, digits] = SEGMENT_FILE.exec(media.name) ?? [];
  const record: CmcdRecord = { sessionId: media.sessionId, atMs: media.atMs };
  const app = appOf(userAgent);
  if (app) record.app = app;
  if (media.roundTripMs !== undefined && media.roundTripMs > 0) record.roundTripMs = media.roundTripMs;
  // Shaka looks into segments of HLS before it plays them, and says that they are 0 long.
  if (digits !== undefined && data.d !== 0) {
    record.segment = Number(digits);
    if (rung !== undefined) record.rung = rung;
    else if (stem.startsWith('audio_')) record.isSound = true;
  }
  const numbers = {
    durationMs: within(data.d, DAY_MS),
    bitrateKbps: within(data.br, 1e6),
    throughputKbps: within(data.mtp, 1e7),
    bufferMs: within(data.bl, DAY_MS),
    rate: within(data.pr, 16),
  };
  for (const [key, value] of Object.entries(numbers)) {
    if (value !== undefined) record[key as keyof typeof numbers] = value;
  }
  if (data.su === true) record.isUrgent = true;
  if (data.bs === true) record.isStarved = true;
  return record;
}

/** A number from 0 to `most`. Version 2 sends lists of numbers, each with the object it is of: the first counts. */
function within(value: unknown, most: number): number | undefined {
  const first = Array.isArray(value) ? value[0] : value;
  const bare = typeof first === 'object' && first !== null && 'value' in first ? first.value : first;
  return typeof bare === 'number' && bare >= 0 && bare <= most ? bare : undefined;
}

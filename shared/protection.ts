// How a generation is protected: what its owner chose, what the plan made of it, and which key is whose.
import { z } from 'zod';
import type { OfferedSystem } from './protection-systems.ts';

export const Protection = z.enum(['none', 'aes-128', 'cenc']);
export type Protection = z.infer<typeof Protection>;

/** Segments under one key, aes-128 alone. A new key costs a player one request. */
export const KeyRotationSegments = z.int().min(1).max(10_000);

/** 128 bits as lower-case hex. */
export const KeyId = z.string().regex(/^[0-9a-f]{32}$/);

/** Of a generation that is protected; it holds no key. */
export const PlannedProtection = z.discriminatedUnion('scheme', [
  /** Whole segments by AES-128-CBC (RFC 8216 §4.3.2.4), the sequence number for an IV; init segments are clear. */
  z.object({ scheme: z.literal('aes-128'), keyRotationSegments: KeyRotationSegments.optional() }),
  /** Samples by AES-CTR (ISO/IEC 23001-7 `cenc`); one key for pictures and sound. */
  z.object({ scheme: z.literal('cenc'), keyId: KeyId }),
]);
export type PlannedProtection = z.infer<typeof PlannedProtection>;

/**
 * The manifests a protection allows: ClearKey has no common spelling in HLS, and DASH players take no AES-128.
 *
 * @param systems those who issue licences, where that is known; what is stored knows ClearKey alone
 */
export function manifestsOf(
  scheme: Protection | undefined,
  systems: readonly OfferedSystem[] = [],
): { hls: boolean; dash: boolean } {
  const hasVendor = systems.some(({ keySystem }) => keySystem !== 'org.w3.clearkey');
  return { hls: scheme !== 'cenc' || hasVendor, dash: scheme !== 'aes-128' };
}

/** Whether a generation under a protection has a document of this name. */
export function offersDocument(scheme: Protection | undefined, name: string): boolean {
  const { hls, dash } = manifestsOf(scheme);
  if (name.endsWith('.m3u8')) return hls;
  return name.endsWith('.mpd') ? dash : true;
}

/** Number of the key, among those of its generation, that segment `index` of any track is under. */
export function keyNumberOf(protection: PlannedProtection, index: number): number {
  if (protection.scheme === 'cenc' || protection.keyRotationSegments === undefined) return 0;
  return Math.floor(index / protection.keyRotationSegments);
}

/** 16 bytes, base64url in the internal API's JSON. Never in a log. */
export type ContentKey = { keyId: string; key: Uint8Array };

/** The licence of a token, relative to the manifest of any generation (`/p/{token}/hls/{kind}/{id}/{generation}/`). */
export const LICENSE_REFERENCE = '../../../../license';

/** A key id as a UUID, the way manifests spell it. */
export function uuidOf(keyId: string): string {
  return keyId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

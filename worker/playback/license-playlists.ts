// HLS of what is under Common Encryption, for deployments with a vendor: nothing of it is stored, so that the same
// generation serves before and after there is one.

import type { LicenseOffer } from '../../shared/dash-protection.ts';
import { AppError } from '../../shared/errors.ts';
import { ManifestTracks } from '../../shared/manifest-tracks.ts';
import { revisionOf, tracksName } from '../../shared/object-keys.ts';
import { protectedPlaylist } from '../../shared/protection-playlists.ts';
import { toHex } from '../../shared/sign.ts';
import { getObject, hasBody } from '../r2.ts';
import { BoundedMap } from './bounded-map.ts';
import { bytesMedia, type MediaObject, mediaTypeOf } from './media-object.ts';

/** Of two hours in six rungs: 400 KB. */
const MAX_HELD = 20;

type Stored = { tracks: ManifestTracks; uploaded: Date };

// Write-once objects. Values alone: a promise of one request may never settle for another.
const held = new BoundedMap<string, Stored>(MAX_HELD);

/** @throws AppError `not_found` where the generation has no such list, or no vendor is there to play it with */
export async function openProtected(
  prefix: string,
  name: string,
  offer: LicenseOffer | undefined,
  bucket: R2Bucket,
): Promise<MediaObject> {
  if (!offer?.systems.some(({ keySystem }) => keySystem !== 'org.w3.clearkey'))
    throw new AppError('not_found');
  const stored =
    (await storedTracks(prefix + tracksName(revisionOf(name)), bucket)) ??
    // Revisions older than this table, and lists that belong to none.
    (await storedTracks(prefix + tracksName(0), bucket));
  const text = stored && protectedPlaylist(stored.tracks, name, offer);
  if (!stored || text === undefined) throw new AppError('not_found');
  const bytes = new TextEncoder().encode(text);
  const digest = toHex(await crypto.subtle.digest('SHA-256', bytes));
  const etag = `"${digest.slice(0, 32)}"`;
  return bytesMedia(bytes, { etag, lastModified: stored.uploaded, contentType: mediaTypeOf(name) });
}

async function storedTracks(key: string, bucket: R2Bucket): Promise<Stored | undefined> {
  const known = held.get(key);
  if (known) return known;
  const object = await getObject(bucket, key);
  if (!object || !hasBody(object)) return undefined;
  const stored = { tracks: ManifestTracks.parse(await object.json()), uploaded: object.uploaded };
  held.set(key, stored);
  return stored;
}

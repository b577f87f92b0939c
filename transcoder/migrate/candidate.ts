// One file of a library as a title, before anybody has looked into it.
import { createHash } from 'node:crypto';
import type { VideoInput, VideoKind } from '../../shared/api.ts';

export type Origin =
  | { type: 'bucket'; key: string }
  | { type: 's3'; endpoint: string; bucket: string; key: string }
  | { type: 'url'; url: string };

export type Candidate = {
  kind: VideoKind;
  contentId?: string | undefined;
  title?: string | undefined;
  /** The larger, the sooner. */
  popularity?: number | undefined;
  origin: Origin;
  /** Where it was named, for messages: `line 3`, or its key. */
  place: string;
  /** As a listing tells them. */
  sizeBytes?: number | undefined;
  etag?: string | undefined;
};

/** The choices that decide what a conversion makes. */
export type Profile = Pick<VideoInput, 'protection' | 'preset' | 'segmentSeconds'>;

/** Where it comes from, for people and logs: a signature in a URL's query stays out. */
export function sourceLabel(origin: Origin): string {
  if (origin.type === 'bucket') return origin.key.slice(0, 1024);
  if (origin.type === 's3') return `s3://${origin.bucket}/${origin.key}`.slice(0, 1024);
  const url = URL.parse(origin.url);
  return (url ? url.origin + url.pathname : 'a malformed URL').slice(0, 1024);
}

/** Tells one place from another. */
export function identityOf(origin: Origin): string {
  return hashOf(origin);
}

/** The natural key of an item: this title from these bytes with this profile. */
export function itemKeyOf(candidate: Candidate, etag: string | undefined, profile: Profile): string {
  const { kind, contentId = null, origin } = candidate;
  const { protection = null, preset = null, segmentSeconds = null } = profile;
  return hashOf([kind, contentId, identityOf(origin), etag ?? null, protection, preset, segmentSeconds]);
}

export function titleName({ kind, contentId, origin }: Candidate): string {
  return contentId === undefined ? sourceLabel(origin) : `${kind}/${contentId}`;
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32);
}

/** Everything that is named twice, each as a sentence; a title has one source, and a source without an id one item. */
export function repeatedIn(candidates: readonly Candidate[]): string[] {
  const seen = new Map<string, Candidate>();
  return candidates.flatMap((candidate) => {
    const { kind, contentId, origin, place } = candidate;
    const name = contentId === undefined ? `source ${identityOf(origin)}` : `${kind}/${contentId}`;
    const first = seen.get(name);
    seen.set(name, first ?? candidate);
    if (!first) return [];
    const what = contentId === undefined ? 'the source' : `${kind} ${contentId}`;
    return [`${place} repeats ${what} of ${first.place}`];
  });
}

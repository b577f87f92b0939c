// How a server hands a resource out: type, encoding, length, ranges.
import type { Findings } from './findings.ts';
import type { Answer, Resource } from './stream-reader.ts';

export type ResourceKind = 'playlist' | 'mpd' | 'media' | 'text' | 'image';

/** What storage says of files that nobody gave a type to, and players accept for media. */
const UNTYPED = /^(?:application|binary)\/octet-stream$/;

const TYPES: Record<ResourceKind, RegExp> = {
  // RFC 8216 §4 and the names before it.
  playlist: /^(?:application\/(?:vnd\.apple\.mpegurl|x-mpegurl|mpegurl)|audio\/(?:x-)?mpegurl)$/i,
  mpd: /^(?:application\/(?:dash\+xml|xml)|text\/xml|video\/vnd\.mpeg\.dash\.mpd)$/i,
  media:
    /^(?:video|audio|application)\/(?:mp4|iso\.segment|mp2t|aac|aacp|x-m4s|x-aac|vnd\.dlna\.mpeg-tts|webm)$/i,
  text: /^text\/vtt$/i,
  image: /^image\/(?:jpeg|png|webp|avif)$/i,
};

export function checkTransfer(
  findings: Findings,
  { url, range }: Resource,
  answer: Answer,
  kind: ResourceKind,
): void {
  const { headers, bytes } = answer;
  if (!headers) {
    findings.skip('headers', 'read from a file');
    return;
  }
  const type = headers.get('content-type')?.split(';')[0]?.trim() ?? '';
  const isTyped = TYPES[kind].test(type) || (kind === 'media' && UNTYPED.test(type));
  findings.see(
    'content-type',
    url,
    isTyped ? undefined : `${JSON.stringify(type)} is no type of such a resource.`,
  );
  const encoding = headers.get('content-encoding');
  const isEncoded = encoding !== null && encoding !== 'identity';
  // Text may be compressed; of media it costs and breaks ranges.
  if (kind === 'media' || kind === 'image') {
    findings.see('content-encoding', url, isEncoded ? `It is sent compressed (${encoding}).` : undefined);
  }
  const declared = headers.get('content-length');
  if (declared !== null && !isEncoded && !answer.isRangeIgnored) {
    const problem = `Content-Length says ${declared}, the body has ${bytes.length} bytes.`;
    findings.see('content-length', url, Number(declared) === bytes.length ? undefined : problem);
  }
  if (!range) return;
  const problem = answer.isRangeIgnored
    ? 'The server ignores ranges.'
    : bytes.length !== range.sizeBytes
      ? `The range of ${range.sizeBytes} bytes has ${bytes.length}.`
      : undefined;
  findings.see('byte-ranges', url, problem);
}

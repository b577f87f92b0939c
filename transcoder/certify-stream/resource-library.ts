// Everything that is read of a stream, read once: documents, keys, init segments and media segments as facts.
import { createDecipheriv, createHash } from 'node:crypto';
import { AppError } from '../../shared/errors.ts';
import { checkTransfer, type ResourceKind } from './check-transfer.ts';
import type { Findings } from './findings.ts';
import { readFragmentSegment } from './fragment-segment.ts';
import { readInitTracks, type TrackInfo } from './init-tracks.ts';
import { looksLikePackedAudio, readPackedAudio } from './packed-audio.ts';
import type { InitRef, KeyRef, Segment } from './presentation.ts';
import type { SegmentFacts } from './segment-facts.ts';
import { type Answer, type Resource, type StreamReader, Unreadable } from './stream-reader.ts';
import { looksLikeTs } from './ts-packets.ts';
import { readTsSegment } from './ts-segment.ts';

export type InitSegment = { sha256: string; tracks: TrackInfo[] };

const KEY_BYTES = 16;

export class ResourceLibrary {
  readonly #reader: StreamReader;
  readonly #findings: Findings;
  readonly #inits = new Map<string, Promise<InitSegment | undefined>>();
  readonly #segments = new Map<string, Promise<SegmentFacts | undefined>>();
  readonly #keys = new Map<string, Promise<Uint8Array | undefined>>();

  constructor(reader: StreamReader, findings: Findings) {
    this.#reader = reader;
    this.#findings = findings;
  }

  /** The bytes of any resource; undefined, reported, where there are none. */
  async bytes(resource: Resource, kind: ResourceKind): Promise<Answer | undefined> {
    const { url } = resource;
    try {
      const answer = await this.#reader.read(resource);
      this.#findings.see('reachable', url, undefined);
      checkTransfer(this.#findings, resource, answer, kind);
      return answer;
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#findings.see(error.check, url, error.message);
      return undefined;
    }
  }

  async document(url: string, kind: ResourceKind): Promise<{ url: string; text: string } | undefined> {
    const answer = await this.bytes({ url }, kind);
    return answer && { url: answer.url, text: Buffer.from(answer.bytes).toString('utf8') };
  }

  init(ref: InitRef): Promise<InitSegment | undefined> {
    return once(this.#inits, identityOf(ref), () => this.#readInit(ref));
  }

  segment(segment: Segment): Promise<SegmentFacts | undefined> {
    const identity = `${identityOf(segment)} ${segment.init ? identityOf(segment.init) : ''}`;
    return once(this.#segments, identity, () => this.#readSegment(segment));
  }

  async #readInit(ref: InitRef): Promise<InitSegment | undefined> {
    const bytes = await this.#clear(ref, ref.key, 'media');
    if (!bytes) return undefined;
    const tracks = this.#parsed('init-readable', ref.url, () => readInitTracks(bytes));
    if (!tracks) return undefined;
    for (const { edit } of tracks) {
      this.#findings.see('edit-list', ref.url, typeof edit === 'string' ? edit : undefined);
    }
    return { sha256: createHash('sha256').update(bytes).digest('hex'), tracks };
  }

  async #readSegment(segment: Segment): Promise<SegmentFacts | undefined> {
    const [bytes, init] = await Promise.all([
      this.#clear(segment, segment.key, 'media'),
      segment.init ? this.init(segment.init) : undefined,
    ]);
    if (!bytes || (segment.init && !init)) return undefined;
    const facts = this.#parsed('segment-readable', segment.url, () =>
      readAnySegment(bytes, init, segment.range?.offset),
    );
    const { problems = [], checked = [] } = facts ?? {};
    for (const { check, problem } of problems) this.#findings.see(check, segment.url, problem);
    const failed = new Set(problems.map(({ check }) => check));
    for (const check of checked) if (!failed.has(check)) this.#findings.see(check, segment.url, undefined);
    for (const what of facts?.notChecked ?? []) this.#findings.skip('contents of segments', what);
    return facts;
  }

  /** The bytes, decrypted where that is possible. */
  async #clear(
    resource: Resource,
    key: KeyRef | undefined,
    kind: ResourceKind,
  ): Promise<Uint8Array | undefined> {
    if (!key) return (await this.bytes(resource, kind))?.bytes;
    if (key.method !== 'AES-128' || !key.isIdentity) {
      this.#findings.skip('contents of segments', `encrypted by ${key.method}`);
      await this.bytes(resource, kind);
      return undefined;
    }
    const [answer, secret] = await Promise.all([
      this.bytes(resource, kind),
      once(this.#keys, key.url, () => this.#readKey(key.url)),
    ]);
    if (!answer || !secret) return undefined;
    const problem = 'The segment cannot be decrypted with the key of its playlist.';
    try {
      const decipher = createDecipheriv('aes-128-cbc', secret, key.iv);
      const clear = Buffer.concat([decipher.update(answer.bytes), decipher.final()]);
      this.#findings.see('decryption', resource.url, undefined);
      return clear;
    } catch {
      this.#findings.see('decryption', resource.url, problem);
      return undefined;
    }
  }

  /** A key that nobody hands out is no fault of the stream. */
  async #readKey(url: string): Promise<Uint8Array | undefined> {
    try {
      const { bytes } = await this.#reader.read({ url });
      const isKey = bytes.length === KEY_BYTES;
      this.#findings.see(
        'key-length',
        url,
        isKey ? undefined : `The key has ${bytes.length} bytes, not ${KEY_BYTES}.`,
      );
      return isKey ? bytes : undefined;
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      this.#findings.skip('contents of segments', 'encrypted, and the key is not given out');
      return undefined;
    }
  }

  /** What `parse` answers; its refusal is a finding. */
  #parsed<T>(check: string, url: string, parse: () => T): T | undefined {
    try {
      const parsed = parse();
      this.#findings.see(check, url, undefined);
      return parsed;
    } catch (error) {
      // Readers of bytes refuse with an AppError; a field past the end is a RangeError of DataView.
      if (!(error instanceof AppError) && !(error instanceof RangeError)) throw error;
      const problem = error instanceof AppError ? error.detail : undefined;
      this.#findings.see(check, url, problem ?? 'The bytes end within a field.');
      return undefined;
    }
  }
}

function readAnySegment(bytes: Uint8Array, init: InitSegment | undefined, fileOffset = 0): SegmentFacts {
  const refuse = (detail: string) => new AppError('verification_failed', { detail });
  if (bytes.length === 0) throw refuse('The segment is empty.');
  if (init) return readFragmentSegment(bytes, init.tracks, fileOffset);
  if (looksLikeTs(bytes)) return readTsSegment(bytes);
  if (looksLikePackedAudio(bytes)) return readPackedAudio(bytes);
  throw refuse('The segment is neither MPEG-TS nor packed audio, and no init segment is named.');
}

function identityOf({ url, range }: Resource): string {
  return range ? `${url}#${range.offset}+${range.sizeBytes}` : url;
}

function once<T>(known: Map<string, Promise<T>>, identity: string, make: () => Promise<T>): Promise<T> {
  const begun = known.get(identity) ?? make();
  known.set(identity, begun);
  return begun;
}

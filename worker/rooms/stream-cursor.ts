// Where a stream stands in one track: the next bytes to send. It names them and holds none.
import type { AudioTrack, VideoTrack } from '../../shared/manifest-tracks.ts';
import { initName, segmentName } from '../../shared/object-keys.ts';
import type { Fragment } from '../../shared/stream-fragments.ts';
import type { StreamTrack } from '../../shared/stream-frame.ts';
import { keyFragmentAt, segmentAt } from './stream-tracks.ts';

type Track = VideoTrack | AudioTrack;

export type Piece = {
  name: string;
  isInit: boolean;
  segment: number;
  /** Of the fragment within its segment; 0 for an init segment. */
  fragment: number;
};

export class StreamCursor {
  readonly kind: StreamTrack;
  #track: Track;
  #segment: number;
  #fragment: number;
  /** Sound before this is not needed; its fragments are known once their segment is read. */
  #notBeforeSeconds: number | undefined;
  #needsInit = true;
  /** Bytes of the current piece that are sent. */
  #sentBytes = 0;
  #nextTrack: Track | undefined;
  #seconds: number;

  constructor(kind: StreamTrack, track: Track, seconds: number) {
    this.kind = kind;
    this.#track = track;
    this.#segment = segmentAt(track, seconds);
    this.#fragment = kind === 'video' ? keyFragmentAt(track as VideoTrack, this.#segment, seconds) : 0;
    this.#notBeforeSeconds = kind === 'audio' ? seconds : undefined;
    const segment = track.segments[this.#segment];
    const ticks = segment?.keyTicks?.[this.#fragment] ?? segment?.startTicks ?? 0;
    // Sound of before the picture is passed over.
    this.#seconds = kind === 'video' ? ticks / track.timescale : Math.max(seconds, ticks / track.timescale);
  }

  get name(): string {
    return (this.#nextTrack ?? this.#track).name;
  }

  /** When what comes next is decoded. */
  get seconds(): number {
    return this.#seconds;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get isAtEnd(): boolean {
    return this.#segment >= this.#track.segments.length;
  }

  /** What comes next; a change of track takes place between fragments. */
  piece(): Piece {
    if (this.#nextTrack && this.#sentBytes === 0) {
      this.#track = this.#nextTrack;
      this.#nextTrack = undefined;
      this.#needsInit = true;
    }
    const { stem } = this.#track;
    const isInit = this.#needsInit;
    const name = isInit ? initName(stem) : segmentName(stem, this.#segment);
    return { name, isInit, segment: this.#segment, fragment: isInit ? 0 : this.#fragment };
  }

  /** From the next fragment on. Renditions of one film have the same segments and fragments. */
  switchTo(track: Track): void {
    if (track === this.#track && !this.#nextTrack) return;
    this.#nextTrack = track;
  }

  /** Passes over sound that would be heard before the picture. @returns whether something was passed over */
  skip(fragments: readonly Fragment[]): boolean {
    const from = this.#notBeforeSeconds;
    this.#notBeforeSeconds = undefined;
    if (from === undefined) return false;
    const { timescale } = this.#track;
    const isDue = ({ decodeTicks }: Fragment) =>
      decodeTicks !== undefined && decodeTicks <= from * timescale + 0.5;
    const fragment = Math.max(0, fragments.findLastIndex(isDue));
    if (fragment === this.#fragment) return false;
    this.#fragment = fragment;
    this.#seconds = (fragments[fragment]?.decodeTicks ?? this.#seconds * timescale) / timescale;
    return true;
  }

  /** @param wholeBytes of the piece that the bytes are of */
  advance(bytes: number, wholeBytes: number, fragments: readonly Fragment[]): void {
    this.#sentBytes += bytes;
    if (this.#sentBytes < wholeBytes) return;
    this.#sentBytes = 0;
    if (this.#needsInit) {
      this.#needsInit = false;
      return;
    }
    const { segments, timescale } = this.#track;
    const isLast = this.#fragment + 1 >= fragments.length;
    this.#segment += isLast ? 1 : 0;
    this.#fragment = isLast ? 0 : this.#fragment + 1;
    const ticks = isLast ? segments[this.#segment]?.startTicks : fragments[this.#fragment]?.decodeTicks;
    this.#seconds = ticks === undefined ? this.#seconds : ticks / timescale;
  }
}

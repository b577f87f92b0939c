// One client's stream: sends what it has credit for, in the order of time, and holds a segment no longer than it sends
// of it. Whoever does not read is sent nothing.
import { AppError } from '../../shared/errors.ts';
import { errorFields, type Log } from '../../shared/log.ts';
import type { ManifestTracks } from '../../shared/manifest-tracks.ts';
import type { PlayClaims } from '../../shared/sign.ts';
import {
  LEAST_FRAME_BYTES,
  STREAM_WINDOW_BYTES,
  type StreamCommand,
  type StreamMessage,
} from '../../shared/stream-api.ts';
import { type Fragment, fragmentsOf } from '../../shared/stream-fragments.ts';
import { encodeFrame, FRAME_HEADER_BYTES } from '../../shared/stream-frame.ts';
import { mediaCounts } from '../http/meter.ts';
import { openMedia } from '../playback/edge-cache.ts';
import type { MediaStore } from '../playback/media-store.ts';
import { StreamCredit } from './stream-credit.ts';
import { StreamCursor } from './stream-cursor.ts';
import { chooseAudio, chooseVideo, readyMessage } from './stream-tracks.ts';

const MAX_FRAME_BYTES = 256 * 1024;

export type StreamWorld = {
  socket: WebSocket;
  log: Log;
  store(): MediaStore;
  /** Judges the token as if it came now. @throws AppError as the media routes do */
  admit(token?: string): Promise<PlayClaims>;
  /** Ends the connection; called once. */
  end(error: AppError): void;
};

type Loaded = { name: string; bytes: Uint8Array; fragments: Fragment[] };

export class MediaStream {
  readonly #world: StreamWorld;
  readonly #tracks: ManifestTracks;
  readonly #credit = new StreamCredit();
  #claims: PlayClaims;
  #cursors: StreamCursor[] = [];
  #epoch = 0;
  #isPaused = false;
  #hasEnded = false;
  #isOver = false;
  #isPumping = false;
  /** Of each track the segment that is being sent, while it is. */
  readonly #loaded = new Map<string, Loaded>();

  constructor(world: StreamWorld, claims: PlayClaims, tracks: ManifestTracks) {
    this.#world = world;
    this.#claims = claims;
    this.#tracks = tracks;
    this.#say(readyMessage(tracks, claims.maxHeight, STREAM_WINDOW_BYTES));
  }

  /** @throws AppError for a command that cannot be followed */
  async perform(command: StreamCommand): Promise<void> {
    switch (command.type) {
      case 'start':
        this.#begin(command.positionSeconds, command.video, command.audio);
        break;
      case 'seek':
        this.#requireStart();
        this.#begin(command.positionSeconds, this.#nameOf('video'), this.#nameOf('audio'));
        break;
      case 'switch':
        this.#requireStart();
        this.#switch(command.video, command.audio);
        break;
      case 'pause':
      case 'resume':
        this.#isPaused = command.type === 'pause';
        break;
      case 'credit':
        this.#credit.grant(command.bytes, command.mark);
        break;
      case 'token':
        await this.#renew(command.token);
    }
    await this.pump();
  }

  /** Judges the token anew. A lower cap takes effect with the next fragment. */
  async recheck(): Promise<void> {
    try {
      this.#take(await this.#world.admit());
    } catch (error) {
      this.#fail(error);
    }
  }

  stop(): void {
    this.#isOver = true;
    this.#loaded.clear();
  }

  /** Sends until the credit is used up. One run at a time; it sees what changes meanwhile. */
  async pump(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#canSend()) {
        const cursor = this.#nextCursor();
        if (!cursor) {
          this.#hasEnded = true;
          this.#say({ type: 'end', epoch: this.#epoch });
          break;
        }
        this.#take(await this.#world.admit());
        await this.#sendPiece(cursor);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isPumping = false;
      // Whoever waits holds nothing: what comes next is read again, and most often still in memory.
      this.#loaded.clear();
    }
  }

  #canSend(): boolean {
    if (this.#isOver || this.#isPaused || this.#hasEnded || this.#cursors.length === 0) return false;
    if (this.#world.socket.readyState !== WebSocket.OPEN) return false;
    return !this.#nextCursor() || this.#credit.balanceBytes >= LEAST_FRAME_BYTES;
  }

  /** Whose next fragment comes first; undefined at the end. */
  #nextCursor(): StreamCursor | undefined {
    const waiting = this.#cursors.filter(({ isAtEnd }) => !isAtEnd);
    // A fragment that is begun is finished.
    const begun = waiting.find(({ sentBytes }) => sentBytes > 0);
    return begun ?? waiting.sort((a, b) => a.seconds - b.seconds)[0];
  }

  async #sendPiece(cursor: StreamCursor): Promise<void> {
    const epoch = this.#epoch;
    const piece = cursor.piece();
    const { bytes, fragments } = await this.#load(cursor, piece.name);
    if (!this.#canSend() || epoch !== this.#epoch) return;
    if (!piece.isInit && cursor.skip(fragments)) return;
    const whole = piece.isInit ? bytes : fragmentBytes(bytes, fragments, piece.fragment);
    const room = Math.min(MAX_FRAME_BYTES, this.#credit.balanceBytes) - FRAME_HEADER_BYTES;
    const offsetBytes = cursor.sentBytes;
    const payload = whole.subarray(offsetBytes, offsetBytes + room);
    const { kind: track, seconds } = cursor;
    const mark = this.#credit.spend(FRAME_HEADER_BYTES + payload.byteLength);
    const place = { track, isInit: piece.isInit, epoch, mark, segment: piece.segment, seconds };
    this.#world.socket.send(encodeFrame({ ...place, offsetBytes, sizeBytes: whole.byteLength, payload }));
    mediaCounts.bytes += payload.byteLength;
    cursor.advance(payload.byteLength, whole.byteLength, fragments);
  }

  async #load({ kind }: StreamCursor, name: string): Promise<Loaded> {
    const held = this.#loaded.get(kind);
    if (held?.name === name) return held;
    this.#loaded.delete(kind);
    const media = await openMedia(this.#claims.pfx + name, this.#world.store());
    const body = await media.body();
    const bytes = body instanceof Uint8Array ? body : new Uint8Array(await new Response(body).arrayBuffer());
    const loaded = { name, bytes, fragments: fragmentsOf(bytes) };
    if (!this.#isOver) this.#loaded.set(kind, loaded);
    return loaded;
  }

  /** From the key frame at or before a position, with the sound of that moment. */
  #begin(positionSeconds: number, videoName: string | undefined, audioName: string | undefined): void {
    const video = chooseVideo(this.#tracks, this.#claims.maxHeight, videoName);
    const audio = chooseAudio(this.#tracks, audioName);
    const picture = video && new StreamCursor('video', video, positionSeconds);
    const fromSeconds = picture?.seconds ?? positionSeconds;
    const sound = audio && new StreamCursor('audio', audio, fromSeconds);
    this.#cursors = [picture, sound].filter((cursor) => cursor !== undefined);
    this.#epoch += 1;
    this.#hasEnded = false;
    this.#tellPlace(picture?.seconds ?? sound?.seconds ?? 0);
  }

  #switch(videoName: string | undefined, audioName: string | undefined): void {
    const video = videoName && chooseVideo(this.#tracks, this.#claims.maxHeight, videoName);
    const audio = audioName && chooseAudio(this.#tracks, audioName);
    if (video) this.#cursorOf('video')?.switchTo(video);
    if (audio) this.#cursorOf('audio')?.switchTo(audio);
    this.#tellPlace(this.#nextCursor()?.seconds ?? 0);
  }

  async #renew(token: string): Promise<void> {
    const claims = await this.#world.admit(token);
    if (claims.sid !== this.#claims.sid || claims.pfx !== this.#claims.pfx) {
      throw new AppError('playback_outside_token', { detail: "The token is another session's." });
    }
    this.#take(claims);
  }

  #take(claims: PlayClaims): void {
    const isCapped = claims.maxHeight !== this.#claims.maxHeight;
    this.#claims = claims;
    const name = this.#nameOf('video');
    if (!isCapped || name === undefined) return;
    const allowed = chooseVideo(this.#tracks, claims.maxHeight, undefined);
    const rung = (one: string) => this.#tracks.video.find((track) => track.name === one)?.height ?? 0;
    if (allowed && rung(name) > rung(allowed.name)) this.#switch(allowed.name, undefined);
  }

  #tellPlace(positionSeconds: number): void {
    const video = this.#nameOf('video');
    const audio = this.#nameOf('audio');
    const names = { ...(video !== undefined && { video }), ...(audio !== undefined && { audio }) };
    this.#say({ type: 'at', epoch: this.#epoch, positionSeconds, ...names });
  }

  #requireStart(): void {
    if (this.#cursors.length === 0) throw new AppError('stream_not_started');
  }

  #cursorOf(kind: 'video' | 'audio'): StreamCursor | undefined {
    return this.#cursors.find((cursor) => cursor.kind === kind);
  }

  #nameOf(kind: 'video' | 'audio'): string | undefined {
    return this.#cursorOf(kind)?.name;
  }

  #say(message: StreamMessage): void {
    const { socket } = this.#world;
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.stop();
    if (!(error instanceof AppError)) this.#world.log.error('stream.failed', errorFields(error));
    this.#world.end(error instanceof AppError ? error : new AppError('internal', { cause: error }));
  }
}

function fragmentBytes(bytes: Uint8Array, fragments: readonly Fragment[], index: number): Uint8Array {
  const fragment = fragments[index] ?? fragments.at(-1)!;
  return bytes.subarray(fragment.offsetBytes, fragment.offsetBytes + fragment.sizeBytes);
}

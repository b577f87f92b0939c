// A published film of real boxes with bytes that tell their place, and a viewer of its stream.
import { env, SELF } from 'cloudflare:test';
import { expect, vi } from 'vitest';
import type { ManifestTracks } from '../../shared/manifest-tracks.ts';
import { initName, segmentName, TRACKS } from '../../shared/object-keys.ts';
import type { StreamCommand, StreamMessage } from '../../shared/stream-api.ts';
import { decodeFrame, FRAME_HEADER_BYTES, type StreamFrame } from '../../shared/stream-frame.ts';
import { ORIGIN, type PublishedVideo, publishVideo } from './playback-fixtures.ts';

const SEGMENTS = 4;
const SEGMENT_SECONDS = 6;
const FRAGMENTS = 3;
const FRAGMENT_SECONDS = SEGMENT_SECONDS / FRAGMENTS;
const VIDEO_SCALE = 90_000;
const AUDIO_SCALE = 48_000;
const HEIGHTS = [240, 480, 720];

export const FILM_SECONDS = SEGMENTS * SEGMENT_SECONDS;

export type Film = PublishedVideo & {
  /** Stored bytes by name. */
  objects: Map<string, Uint8Array<ArrayBuffer>>;
  tracks: ManifestTracks;
};

export async function publishFilm(
  options: { protection?: ManifestTracks['protection'] } = {},
): Promise<Film> {
  const video = await publishVideo();
  const objects = new Map<string, Uint8Array<ArrayBuffer>>();
  const timelineOf = (stem: string, timescale: number, mdatBytes: number, seed: number) => {
    objects.set(initName(stem), box('moov', filled(300, seed)));
    const segments = Array.from({ length: SEGMENTS }, (_, segment) => {
      const ticksAt = (fragment: number) =>
        (segment * SEGMENT_SECONDS + fragment * FRAGMENT_SECONDS) * timescale;
      const fragments = Array.from({ length: FRAGMENTS }, (_, fragment) =>
        joined([moof(ticksAt(fragment)), box('mdat', filled(mdatBytes, seed + segment * 7 + fragment))]),
      );
      const bytes = joined([box('styp', filled(8, 1)), ...fragments]);
      objects.set(segmentName(stem, segment), bytes);
      return {
        sizeBytes: bytes.byteLength,
        startTicks: ticksAt(0),
        durationTicks: SEGMENT_SECONDS * timescale,
        keyTicks: Array.from({ length: FRAGMENTS }, (_, fragment) => ticksAt(fragment)),
      };
    });
    return { stem, timescale, segments };
  };
  const tracks: ManifestTracks = {
    video: HEIGHTS.map((height, index) => ({
      ...timelineOf(`stream_${height}p`, VIDEO_SCALE, height * 100, index),
      ...{ name: `${height}p`, codecs: 'avc1.64001f', width: height * 2, height, fps: { num: 25, den: 1 } },
    })),
    audio: ['en', 'de'].map((language, index) => ({
      ...timelineOf(`audio_${language}`, AUDIO_SCALE, 5000, 50 + index),
      ...{
        name: language,
        language,
        label: language,
        codecs: 'mp4a.40.2',
        channels: 2,
        sampleRate: AUDIO_SCALE,
      },
      isDefault: language === 'en',
    })),
    subtitles: [],
    ...(options.protection && { protection: options.protection }),
  };
  const puts = [...objects].map(([name, bytes]) => env.MEDIA.put(video.prefix + name, bytes));
  await Promise.all([...puts, env.MEDIA.put(video.prefix + TRACKS, JSON.stringify(tracks))]);
  return { ...video, objects, tracks };
}

export type Viewer = {
  socket: WebSocket;
  frames: StreamFrame[];
  /** Of all frames, headers too. */
  receivedBytes(): number;
  messages: StreamMessage[];
  texts: string[];
  closes: { code: number; reason: string }[];
  say(command: StreamCommand | object): void;
  hears<Type extends StreamMessage['type']>(
    type: Type,
    part?: object,
  ): Promise<Extract<StreamMessage, { type: Type }>>;
};

export function knockAtStream(token: string, headers: Record<string, string> = {}): Promise<Response> {
  return SELF.fetch(`${ORIGIN}/p/${token}/stream`, {
    headers: { Upgrade: 'websocket', ...headers },
  }) as unknown as Promise<Response>;
}

const sockets: WebSocket[] = [];

/** An isolate has places for so many; for `afterEach`. */
export function closeViewers(): void {
  for (const socket of sockets.splice(0)) if (socket.readyState === WebSocket.OPEN) socket.close(1000);
}

export async function view(token: string): Promise<Viewer> {
  const response = await knockAtStream(token);
  expect(response.status).toBe(101);
  const socket = (response as unknown as { webSocket: WebSocket }).webSocket;
  sockets.push(socket);
  socket.binaryType = 'arraybuffer';
  const viewer: Viewer = {
    ...{ socket, frames: [], messages: [], texts: [], closes: [] },
    receivedBytes: () =>
      viewer.frames.reduce((sum, { payload }) => sum + FRAME_HEADER_BYTES + payload.byteLength, 0),
    say: (command) => socket.send(JSON.stringify(command)),
    hears: async (type, part = {}) => {
      const matching = expect.objectContaining({ type, ...part });
      await vi.waitFor(() => expect(viewer.messages).toContainEqual(matching), {
        timeout: 20_000,
        interval: 5,
      });
      return viewer.messages.find((message) => matching.asymmetricMatch(message)) as never;
    },
  };
  socket.addEventListener('message', ({ data }) => {
    if (data instanceof ArrayBuffer) viewer.frames.push(decodeFrame(data));
    else if (String(data).startsWith('{')) viewer.messages.push(JSON.parse(String(data)));
    else viewer.texts.push(String(data));
  });
  socket.addEventListener('close', ({ code, reason }) => {
    viewer.closes.push({ code, reason });
  });
  socket.accept();
  await viewer.hears('ready');
  return viewer;
}

/** Reads all there is, granting as it reads. */
export async function readToEnd(viewer: Viewer, epoch: number, windowBytes = 500_000): Promise<void> {
  let readBytes = viewer.receivedBytes();
  viewer.say({ type: 'credit', bytes: windowBytes, mark: viewer.frames.at(-1)?.mark });
  await vi.waitFor(
    () => {
      const bytes = viewer.receivedBytes() - readBytes;
      readBytes += bytes;
      if (bytes > 0) viewer.say({ type: 'credit', bytes, mark: viewer.frames.at(-1)!.mark });
      expect(viewer.messages).toContainEqual({ type: 'end', epoch });
    },
    { timeout: 20_000, interval: 5 },
  );
}

/** The bytes of a track as they came. */
export function bytesOfTrack({ frames }: Pick<Viewer, 'frames'>, track: 'video' | 'audio', epoch?: number) {
  const own = frames.filter((frame) => frame.track === track && (epoch ?? frame.epoch) === frame.epoch);
  return joined(own.map(({ payload }) => payload));
}

/** What is stored of a track, from a segment and a fragment in it on, behind its init segment. */
export function storedTrack({ objects }: Film, stem: string, fromSegment = 0, fromFragment = 0): Uint8Array {
  const segments = Array.from({ length: SEGMENTS }, (_, index) => objects.get(segmentName(stem, index))!);
  const [first, ...rest] = segments.slice(fromSegment);
  return joined([
    objects.get(initName(stem))!,
    first!.subarray(fragmentStart(first!, fromFragment)),
    ...rest,
  ]);
}

export function joined(pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

/** The first fragment begins with the segment; all are of one size beyond its `styp`. */
function fragmentStart(segment: Uint8Array, fragment: number): number {
  const stypBytes = 16;
  return fragment === 0 ? 0 : stypBytes + (fragment * (segment.byteLength - stypBytes)) / FRAGMENTS;
}

function moof(ticks: number): Uint8Array {
  const tfdt = new DataView(new ArrayBuffer(12));
  tfdt.setUint8(0, 1);
  tfdt.setBigUint64(4, BigInt(ticks));
  const traf = box('traf', joined([box('tfhd', filled(8, 2)), box('tfdt', new Uint8Array(tfdt.buffer))]));
  return box('moof', joined([box('mfhd', filled(8, 3)), traf]));
}

export function box(type: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 + body.byteLength);
  new DataView(bytes.buffer).setUint32(0, bytes.byteLength);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(body, 8);
  return bytes;
}

export function filled(sizeBytes: number, seed: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    { length: sizeBytes },
    (_, index) => (index * 13 + (index >> 8) * 5 + seed * 31) & 0xff,
  );
}

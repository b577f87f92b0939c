// Plays /p/{token}/stream with Media Source Extensions: frames go into the buffers as they come, and no more is asked
// for than is soon played.
import type { StreamMessage } from '../../../shared/stream-api.ts';
import type { StreamFrame, StreamTrack } from '../../../shared/stream-frame.ts';
import { StreamReader } from '../../../shared/stream-reader.ts';
import type { Engine, EngineStart } from '../video/player/engine.ts';

/** Ahead of what plays; behind it, what is kept for a small step back. */
const AHEAD_SECONDS = 20;
const BEHIND_SECONDS = 15;
const LOOK_MS = 500;
const HEARTBEAT_MS = 20_000;
/** Half a second of 1080p at least, and little of what the server lets wait. */
const WINDOW_BYTES = 768 * 1024;
const MIME: Record<StreamTrack, string> = { video: 'video/mp4', audio: 'audio/mp4' };
const RETRY_MS = 1500;
const MAX_RETRIES = 5;

type Ready = Extract<StreamMessage, { type: 'ready' }>;
/** Bytes; other codecs from here on; or a new position: what is half appended of the older one is thrown away. */
type Step = Uint8Array<ArrayBuffer> | { codecs: string } | 'anew';
type Track = { buffer: SourceBuffer; queue: Step[]; codecs: string; nextCodecs: string };

/** An engine like the others, so that a page can switch between them. */
export function playStream({ video, tokens, news, atSeconds = 0 }: EngineStart): Engine {
  const source = new MediaSource();
  const tracks = new Map<StreamTrack, Track>();
  let socket: WebSocket | undefined;
  let reader: StreamReader | undefined;
  let ready: Ready | undefined;
  let hasEnded = false;
  let isGone = false;
  let retries = 0;
  let chosen: { video?: string; audio?: string } = {};
  let timer: ReturnType<typeof setInterval> | undefined;
  let beat: ReturnType<typeof setInterval> | undefined;
  let renewedToken = tokens.token();
  let lastEpoch = 0;

  const fail = (sentence: string) => {
    if (!isGone) news.failed(sentence);
    end();
  };

  const connect = (fromSeconds: number) => {
    const url = new URL(`/p/${tokens.token()}/stream`, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const opened = new WebSocket(url);
    opened.binaryType = 'arraybuffer';
    socket = opened;
    const stream = new StreamReader((text) => send(opened, text), { frame, message }, WINDOW_BYTES);
    reader = stream;
    lastEpoch = 0;
    opened.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => stream.receive(data);
    opened.onopen = () => stream.start({ ...chosen, positionSeconds: fromSeconds });
    opened.onclose = ({ code }) => {
      if (isGone || opened !== socket) return;
      retries += 1;
      // But for a token that ran out and what passes by itself, asked again the answer would be the same.
      const isFinal = code >= 4400 && code < 4500 && ![4401, 4408, 4429].includes(code);
      if (isFinal || retries > MAX_RETRIES) return fail('The stream broke off. Load the page again.');
      void tokens.renew().catch(() => undefined);
      setTimeout(() => !isGone && connect(video.currentTime), RETRY_MS);
    };
  };

  const message = (told: StreamMessage) => {
    if (told.type === 'error') news.failed(told.detail);
    if (told.type === 'end') hasEnded = true;
    if (told.type === 'at') at(told);
    if (told.type !== 'ready') return;
    ready = told;
    if (told.protection) return fail('Protected video plays over DASH alone here.');
    news.qualities(
      told.video.map(({ name, width, height, bandwidthBps }) => ({
        ...{ id: name, width, height, bitrate: bandwidthBps },
      })),
    );
    if (source.readyState === 'open' && Number.isNaN(source.duration)) source.duration = told.durationSeconds;
  };

  const at = ({ epoch, video: picture, audio: sound }: Extract<StreamMessage, { type: 'at' }>) => {
    hasEnded = false;
    if (!ready || source.readyState === 'closed') return;
    const prepare = (kind: StreamTrack, codecs: string | undefined) => {
      if (codecs === undefined) return;
      const track = tracks.get(kind) ?? addTrack(kind, codecs);
      if (epoch !== lastEpoch) track.queue = ['anew'];
      track.nextCodecs = codecs;
    };
    prepare('video', ready.video.find(({ name }) => name === picture)?.codecs);
    prepare('audio', ready.audio.find(({ name }) => name === sound)?.codecs);
    lastEpoch = epoch;
    chosen = {
      ...(picture !== undefined && { video: picture }),
      ...(sound !== undefined && { audio: sound }),
    };
    if (picture !== undefined) news.quality(picture, false);
    const sounds = ready.audio.map(({ name, label, language }) => ({ id: name, label, language }));
    news.sounds(sounds, sound);
    flow();
  };
  const addTrack = (kind: StreamTrack, codecs: string): Track => {
    const buffer = source.addSourceBuffer(`${MIME[kind]}; codecs="${codecs}"`);
    const track: Track = { buffer, queue: [], codecs, nextCodecs: codecs };
    buffer.addEventListener('updateend', flow);
    tracks.set(kind, track);
    return track;
  };

  const frame = ({ track: kind, payload, isInit, offsetBytes }: StreamFrame) => {
    retries = 0;
    const track = tracks.get(kind);
    if (!track) return;
    if (isInit && offsetBytes === 0 && track.codecs !== track.nextCodecs) {
      track.codecs = track.nextCodecs;
      track.queue.push({ codecs: `${MIME[kind]}; codecs="${track.codecs}"` });
    }
    track.queue.push(payload as Uint8Array<ArrayBuffer>);
    flow();
  };

  /** Moves what has come into the buffers, lets go of what was played, and asks for more while it is needed. */
  const flow = () => {
    if (isGone || source.readyState === 'closed') return;
    for (const track of tracks.values()) append(track, video, source.readyState === 'open');
    const isFull =
      tracks.size > 0 && [...tracks.values()].every((track) => aheadOf(track, video) > AHEAD_SECONDS);
    const waiting = [...tracks.values()].reduce((sum, { queue }) => sum + queue.length, 0);
    reader?.hold(isFull || waiting > 32);
    const isDone = [...tracks.values()].every(({ buffer, queue }) => queue.length === 0 && !buffer.updating);
    if (hasEnded && isDone && source.readyState === 'open') source.endOfStream();
  };

  const onSeeking = () => {
    const there = [...tracks.values()].every((track) => aheadOf(track, video) > 0.1);
    if (!there) reader?.say({ type: 'seek', positionSeconds: video.currentTime });
  };

  const end = () => {
    isGone = true;
    clearInterval(timer);
    clearInterval(beat);
    socket?.close(1000);
    video.removeEventListener('seeking', onSeeking);
    URL.revokeObjectURL(video.src);
    video.removeAttribute('src');
    video.load();
  };

  source.addEventListener('sourceopen', () => connect(atSeconds), { once: true });
  video.src = URL.createObjectURL(source);
  video.addEventListener('seeking', onSeeking);
  if (atSeconds > 0) video.currentTime = atSeconds;
  timer = setInterval(() => {
    for (const track of tracks.values()) forget(track, video);
    flow();
    const token = tokens.token();
    if (token !== undefined && token !== renewedToken) reader?.say({ type: 'token', token });
    renewedToken = token;
  }, LOOK_MS);
  beat = setInterval(() => socket && send(socket, 'ping'), HEARTBEAT_MS);
  return {
    chooseQuality: (id) => id !== undefined && reader?.say({ type: 'switch', video: id }),
    chooseSound: (id) => reader?.say({ type: 'switch', audio: id }),
    destroy: end,
  };
}

/** One step of the queue; the buffer calls again when it has taken it. */
function append(track: Track, video: HTMLVideoElement, isOpen: boolean): void {
  const { buffer, queue } = track;
  while (!buffer.updating && queue.length > 0) {
    const next = queue.shift()!;
    if (next === 'anew') {
      if (isOpen) buffer.abort();
    } else if ('codecs' in next) {
      buffer.changeType(next.codecs);
    } else if (!take(buffer, next)) {
      queue.unshift(next);
      buffer.remove(0, Math.max(0.1, video.currentTime - 1));
    }
  }
}

/** @returns false where the browser has no room for it */
function take(buffer: SourceBuffer, bytes: Uint8Array<ArrayBuffer>): boolean {
  try {
    buffer.appendBuffer(bytes);
    return true;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'QuotaExceededError') return false;
    throw error;
  }
}

function forget({ buffer }: Track, { currentTime }: HTMLVideoElement): void {
  const end = currentTime - BEHIND_SECONDS;
  if (buffer.updating || buffer.buffered.length === 0 || buffer.buffered.start(0) > end - BEHIND_SECONDS)
    return;
  buffer.remove(0, end);
}

/** Seconds that are there from where the film is. */
function aheadOf({ buffer }: Track, { currentTime }: HTMLVideoElement): number {
  for (let index = 0; index < buffer.buffered.length; index++) {
    const [start, end] = [buffer.buffered.start(index), buffer.buffered.end(index)];
    if (start <= currentTime + 0.1 && end > currentTime) return end - currentTime;
  }
  return 0;
}

function send(socket: WebSocket, text: string): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(text);
}

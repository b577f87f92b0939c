// A viewer of the media stream who shows nothing: takes frames, plays by the clock, and notices when there is nothing
// left to play.
import type { StreamMessage } from '../shared/stream-api.ts';
import type { StreamFrame } from '../shared/stream-frame.ts';
import { StreamReader } from '../shared/stream-reader.ts';

const WINDOW_BYTES = 768 * 1024;
/** Playing begins with this much, and no more than this is kept ahead. */
const START_SECONDS = 2;
const AHEAD_SECONDS = 12;
const LOOK_MS = 100;

export type StreamReport = {
  bytes: number;
  frames: number;
  stalls: number;
  playedSeconds: number;
  /** From the connection to the first picture. */
  startMs: number;
  failure: string | undefined;
};

export type StreamViewer = { stop(): StreamReport };

export async function openViewer(url: URL): Promise<StreamViewer> {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  const openedMs = performance.now();
  const report: StreamReport = {
    ...{ bytes: 0, frames: 0, stalls: 0, playedSeconds: 0, startMs: Infinity },
    failure: undefined,
  };
  // Of each track the start of its last whole fragment: until there everything can be played.
  const until = new Map<string, number>();
  let lookedMs: number | undefined;
  let isStalled = false;
  let hasEnded = false;
  let isStopped = false;
  const frame = ({ track, isInit, seconds, offsetBytes, payload, sizeBytes }: StreamFrame) => {
    report.frames += 1;
    report.bytes += payload.byteLength;
    if (isInit) return;
    if (track === 'video') report.startMs = Math.min(report.startMs, performance.now() - openedMs);
    if (offsetBytes + payload.byteLength === sizeBytes) until.set(track, seconds);
  };
  const message = (told: StreamMessage) => {
    if (told.type === 'end') hasEnded = true;
    if (told.type === 'error') report.failure = told.code;
  };
  const reader = new StreamReader((text) => socket.send(text), { frame, message }, WINDOW_BYTES);
  const look = () => {
    const bufferedSeconds = until.size < 2 ? 0 : Math.min(...until.values());
    const nowMs = performance.now();
    if (lookedMs === undefined && bufferedSeconds < START_SECONDS) return;
    const wanted = report.playedSeconds + (nowMs - (lookedMs ?? nowMs)) / 1000;
    lookedMs = nowMs;
    const isDry = !hasEnded && wanted > bufferedSeconds;
    if (isDry && !isStalled) report.stalls += 1;
    isStalled = isDry;
    if (!isDry) report.playedSeconds = wanted;
    reader.hold(bufferedSeconds - report.playedSeconds > AHEAD_SECONDS);
  };
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => reader.receive(data);
  socket.onclose = ({ code }) => {
    if (!isStopped) report.failure ??= `closed with ${code}`;
  };
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error(`no stream at ${url.origin}`));
  });
  reader.start();
  const timer = setInterval(look, LOOK_MS);
  return {
    stop: () => {
      isStopped = true;
      clearInterval(timer);
      socket.close(1000);
      if (lookedMs === undefined) report.failure ??= 'never played';
      return report;
    },
  };
}

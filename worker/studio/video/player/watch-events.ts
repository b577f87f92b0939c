// Tells the API what is watched (POST /v1/watch): beacons that outlive the page, each with the session's token.
import type { WatchEvent, WatchEventType } from '../../../../shared/watch-api.ts';
import type { Tokens } from './tokens.ts';

const PROGRESS_SECONDS = 10;
const SEND_AFTER_MS = 2000;
/** Far below what one request may hold. */
const MAX_EVENTS = 100;
/** Between two looks at the clock a jump of more than this was no playing. */
const MAX_STEP_SECONDS = 2;

export type WatchReport = {
  quality(): void;
  failed(): void;
  /** Sends what is left; nothing is told from here on. */
  stop(): void;
};

export function reportWatching(video: HTMLVideoElement, tokens: Tokens): WatchReport {
  const { sessionId } = tokens.session();
  const waiting: WatchEvent[] = [];
  let seq = 0;
  let playedSeconds = 0;
  let lastSeconds = video.currentTime;
  let wishedAtMs: number | undefined;
  let isStarted = false;
  let isSeeking = false;
  let sendTimer: ReturnType<typeof setTimeout> | undefined;

  const send = () => {
    clearTimeout(sendTimer);
    sendTimer = undefined;
    const events = waiting.splice(0, MAX_EVENTS);
    if (events.length === 0) return;
    const body = JSON.stringify({ sessionId, token: tokens.token(), events });
    // A beacon goes out while the page closes; a full queue of them is no reason to disturb playing.
    navigator.sendBeacon('/v1/watch', body);
  };
  const tell = (type: WatchEventType, more: Partial<WatchEvent> = {}) => {
    const positionSeconds = Math.max(0, Math.round(lastSeconds * 1000) / 1000);
    const played = Math.round(playedSeconds * 1000) / 1000;
    playedSeconds = 0;
    waiting.push({ seq: seq++, type, positionSeconds, playedSeconds: played, atMs: Date.now(), ...more });
    sendTimer ??= setTimeout(send, SEND_AFTER_MS);
  };
  const follow = () => {
    const step = video.currentTime - lastSeconds;
    // `video.seeking` is over before the clock's first word of the new place.
    if (isSeeking) return;
    if (step > 0 && step <= MAX_STEP_SECONDS * Math.max(1, video.playbackRate)) playedSeconds += step;
    lastSeconds = video.currentTime;
    if (playedSeconds >= PROGRESS_SECONDS) tell('progress');
  };

  const listeners: Record<string, () => void> = {
    play: () => {
      wishedAtMs ??= performance.now();
    },
    playing: () => {
      if (isStarted) return;
      isStarted = true;
      lastSeconds = video.currentTime;
      tell('started', { startupMs: Math.round(performance.now() - (wishedAtMs ?? performance.now())) });
    },
    timeupdate: follow,
    seeking: () => {
      // What was played up to the jump belongs to where it was played.
      isSeeking = true;
      if (isStarted && playedSeconds > 0) tell('progress');
    },
    seeked: () => {
      isSeeking = false;
      lastSeconds = video.currentTime;
      if (isStarted) tell('seeked');
    },
    pause: () => {
      follow();
      if (isStarted && !video.ended) tell('paused');
    },
    ended: () => {
      follow();
      if (isStarted) tell('completed');
    },
  };
  const leave = () => {
    if (document.visibilityState === 'visible') return;
    if (playedSeconds > 0) tell('progress');
    send();
  };
  for (const [name, listener] of Object.entries(listeners)) video.addEventListener(name, listener);
  document.addEventListener('visibilitychange', leave);
  return {
    quality: () => {
      if (isStarted) tell('quality');
    },
    failed: () => tell('error'),
    stop: () => {
      for (const [name, listener] of Object.entries(listeners)) video.removeEventListener(name, listener);
      document.removeEventListener('visibilitychange', leave);
      if (isStarted && playedSeconds > 0) tell('progress');
      send();
    },
  };
}

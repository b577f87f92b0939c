// Plays a session's HLS with hls.js, or with the browser's own player where there is no Media Source Extension.
// Keeps the token in the path fresh: every request is sent with the newest one.
import Hls, { ErrorTypes, Events } from 'hls.js';
import type { PlayAnswer } from '../../shared/play-api.ts';
import type { WatchApi } from './api-client.ts';
import { type Menu, offerAudioTracks, offerQualities } from './menus.ts';

export type PlayerParts = { video: HTMLVideoElement; quality: Menu; audio: Menu };

const RENEW_CHECK_MS = 15_000;
const RENEW_BEFORE_MS = 90_000;
const MAX_RECOVERIES = 4;

/** @returns the hls.js instance, or undefined where the browser plays HLS itself. */
export function startPlayer(
  parts: PlayerParts,
  session: PlayAnswer,
  api: WatchApi,
  onFailure: (sentence: string) => void,
): Hls | undefined {
  const { video } = parts;
  if (session.poster) video.poster = session.poster;
  if (!session.hls) {
    onFailure('This video has no stream that a browser can play.');
    return undefined;
  }
  if (!Hls.isSupported()) {
    video.src = session.hls;
    video.onerror = () => onFailure(video.error?.message || 'The browser could not play this video.');
    return undefined;
  }

  const tokens = createTokenKeeper(session, api);
  const hls = new Hls({
    enableWorker: false, // fragmented MP4 is passed on as it is: there is no work to move
    backBufferLength: 60,
    xhrSetup: (xhr, url) => {
      const fresh = tokens.freshen(url);
      if (fresh !== url) xhr.open('GET', fresh, true); // hls.js leaves an opened request as it is
    },
  });
  offerQualities(hls, parts.quality);
  offerAudioTracks(hls, parts.audio);
  recoverFromErrors(hls, tokens, onFailure);
  hls.loadSource(session.hls);
  hls.attachMedia(video);
  return hls;
}

type TokenKeeper = { freshen(url: string): string; renew(): Promise<void> };

function createTokenKeeper(session: PlayAnswer, api: WatchApi): TokenKeeper {
  let current = session;
  const keeper: TokenKeeper = {
    freshen: (url) => {
      const token = tokenPath(current.hls ?? '');
      return token === undefined ? url : url.replace(/\/p\/[^/]+\//, token);
    },
    renew: async () => {
      current = await api.renew(session.sessionId);
    },
  };
  // An interval, not one long timeout: a laptop that slept over its moment still gets there.
  setInterval(() => {
    if (Date.parse(current.expiresAt) - Date.now() < RENEW_BEFORE_MS) keeper.renew().catch(() => {});
  }, RENEW_CHECK_MS);
  return keeper;
}

function tokenPath(url: string): string | undefined {
  return /\/p\/[^/]+\//.exec(url)?.[0];
}

function recoverFromErrors(hls: Hls, tokens: TokenKeeper, onFailure: (sentence: string) => void): void {
  let recoveries = 0;
  hls.on(Events.FRAG_BUFFERED, () => {
    recoveries = 0;
  });
  hls.on(Events.ERROR, async (_event, error) => {
    if (!error.fatal) return;
    recoveries += 1;
    if (recoveries > MAX_RECOVERIES) {
      hls.destroy();
      onFailure('The stream broke off. Load the page again to go on watching.');
    } else if (error.type === ErrorTypes.MEDIA_ERROR) {
      hls.recoverMediaError();
    } else {
      // An expired token is the likeliest reason; a failed renewal shows in the next error.
      if (error.response?.code === 401) await tokens.renew().catch(() => {});
      if (hls.levels.length === 0) hls.loadSource(tokens.freshen(hls.url ?? ''));
      else hls.startLoad();
    }
  });
}

// What plays a session in a <video>: hls.js where it can, the browser's own HLS without Media Source Extensions, Shaka
// for DASH under Common Encryption. Pages see one set of words for all three.
import type { PlayAnswer } from '../../../../shared/play-api.ts';
import { canPlayHls, playHls } from './hls-engine.ts';
import type { Tokens } from './tokens.ts';

export type Quality = { id: string; width: number; height: number; bitrate: number };
export type Sound = { id: string; label: string; language: string };

/** What an engine tells as it goes. */
export type EngineNews = {
  qualities(all: Quality[]): void;
  /** What plays now, and whether the engine has chosen it. */
  quality(id: string, isAutomatic: boolean): void;
  /** All there is, and which of it plays. */
  sounds(all: Sound[], id: string | undefined): void;
  /** A sentence for a person: nothing goes on from here. */
  failed(sentence: string): void;
};

export type Engine = {
  /** Undefined leaves the choice to the engine. */
  chooseQuality(id: string | undefined): void;
  chooseSound(id: string): void;
  destroy(): void;
};

export type EngineStart = {
  video: HTMLVideoElement;
  tokens: Tokens;
  news: EngineNews;
  videoId: string;
  /** Where to begin; absent for the beginning. */
  atSeconds?: number;
};

const SILENT: Engine = { chooseQuality: () => {}, chooseSound: () => {}, destroy: () => {} };

/** Begins to load what the session has. Failures are told as news. */
export async function startEngine(start: EngineStart): Promise<Engine> {
  const { video, news } = start;
  const session = start.tokens.session();
  if (session.hls && !session.drm) {
    if (canPlayHls()) return playHls(start);
    return playNatively(video, session.hls, news, start.atSeconds);
  }
  if (session.dash) {
    const { playDash } = await import('./dash-engine.ts');
    return playDash(start);
  }
  news.failed('This video has no stream that a browser can play.');
  return SILENT;
}

/** Whether two sessions read the same files, so that nothing need be loaded anew. */
export function isSameStream(one: PlayAnswer, other: PlayAnswer): boolean {
  const place = ({ hls, dash }: PlayAnswer) => (hls ?? dash ?? '').replace(/^.*\/p\/[^/]+\/|[^/]*$/g, '');
  return place(one) === place(other);
}

function playNatively(
  video: HTMLVideoElement,
  url: string,
  news: EngineNews,
  atSeconds: number | undefined,
): Engine {
  video.onerror = () => news.failed(video.error?.message || 'The browser could not play this video.');
  video.src = url;
  if (atSeconds !== undefined) {
    video.addEventListener(
      'loadedmetadata',
      () => {
        video.currentTime = atSeconds;
      },
      { once: true },
    );
  }
  return {
    ...SILENT,
    destroy: () => {
      video.onerror = null;
      video.removeAttribute('src');
      video.load();
    },
  };
}

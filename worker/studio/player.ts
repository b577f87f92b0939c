// The watch page's player: the browser's own controls, with menus for what they lack.
import type { PlayAnswer } from '../../shared/play-api.ts';
import { type Menu, offerQualities, offerSounds } from './menus.ts';
import { type Engine, startEngine } from './video/player/engine.ts';
import { keepTokens } from './video/player/tokens.ts';
import { reportWatching } from './video/player/watch-events.ts';

export type PlayerParts = { video: HTMLVideoElement; quality: Menu; audio: Menu };

type Begun = {
  videoId: string;
  session: PlayAnswer;
  api: { renew(sessionId: string): Promise<PlayAnswer> };
  /** A sentence for a person. */
  onFailure(sentence: string): void;
};

export function startPlayer(parts: PlayerParts, { videoId, session, api, onFailure }: Begun): void {
  const { video } = parts;
  if (session.poster) video.poster = session.poster;
  const tokens = keepTokens(session, api);
  const report = reportWatching(video, tokens);
  let engine: Engine | undefined;
  const current = () => engine;
  const qualities = offerQualities(parts.quality, current);
  const news = {
    ...offerSounds(parts.audio, current),
    qualities: qualities.qualities,
    quality: (id: string, isAutomatic: boolean) => {
      qualities.quality(id, isAutomatic);
      report.quality();
    },
    failed: (sentence: string) => {
      report.failed();
      onFailure(sentence);
    },
  };
  startEngine({ video, tokens, news, videoId }).then(
    (started) => {
      engine = started;
    },
    () => onFailure('The player could not be loaded. Load the page again.'),
  );
}

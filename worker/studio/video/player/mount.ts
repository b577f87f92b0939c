// A player in a page: the picture, its controls, and a session that lives as long as the page needs it.
import type { PlayAnswer } from '../../../../shared/play-api.ts';
import { controlsAround } from './controls.ts';
import { type Engine, isSameStream, startEngine } from './engine.ts';
import { giveLists } from './media-lists.ts';
import { keepTokens, type Tokens } from './tokens.ts';
import { reportWatching, type WatchReport } from './watch-events.ts';
import './player.css';

export type PlayApi = {
  play(): Promise<PlayAnswer>;
  renew(sessionId: string): Promise<PlayAnswer>;
};

export type MountedPlayer = {
  /** What was being made is there: goes on from the same place in what is published now, if that is another stream. */
  becomeReady(): Promise<void>;
  destroy(): void;
};

export type Mounting = {
  videoId: string;
  title: string;
  session: PlayAnswer;
  api: PlayApi;
  /** A sentence for a person: playing has ended for good. */
  onFailure(sentence: string): void;
};

type Playing = { tokens: Tokens; engine: Promise<Engine>; report: WatchReport };

/** Puts a player into `place`, which it has for itself. */
export function mountPlayer(
  place: HTMLElement,
  { videoId, title, session, api, onFailure }: Mounting,
): MountedPlayer {
  const video = document.createElement('video');
  video.playsInline = true;
  video.preload = 'auto';
  const lists = giveLists(video);
  place.replaceChildren(controlsAround(video, title));
  const side = sideTracks(video);

  const begin = (begun: PlayAnswer, atSeconds?: number): Playing => {
    if (begun.poster && atSeconds === undefined) video.poster = begun.poster;
    const tokens = keepTokens(begun, api, side.show);
    const report = reportWatching(video, tokens);
    const news = {
      ...lists.news,
      qualities: (all: Parameters<typeof lists.news.qualities>[0]) => {
        lists.news.qualities(all);
        // Not before: as hls.js loads a manifest it empties the tracks that are there.
        side.show(tokens.session());
      },
      quality: () => report.quality(),
      failed: (sentence: string) => {
        report.failed();
        onFailure(sentence);
      },
    };
    const engine = startEngine({
      video,
      tokens,
      news,
      videoId,
      ...(atSeconds === undefined ? {} : { atSeconds }),
    });
    void engine.then(lists.serve);
    return { tokens, engine, report };
  };
  const end = async ({ tokens, engine, report }: Playing) => {
    report.stop();
    tokens.stop();
    (await engine).destroy();
  };

  let playing = begin(session);
  return {
    becomeReady: async () => {
      const next = await api.play();
      const { tokens } = playing;
      if (isSameStream(next, tokens.session())) {
        // The list that grew is whole by now; what has come with it is shown under the token there is.
        side.show(await tokens.renew());
        return;
      }
      const at = { seconds: video.ended ? 0 : video.currentTime, isPlaying: !video.paused && !video.ended };
      const isAtStart = at.seconds === 0 && !at.isPlaying;
      const release = isAtStart ? () => {} : holdPicture(video);
      await end(playing);
      playing = begin(next, isAtStart ? undefined : at.seconds);
      video.addEventListener('canplay', release, { once: true });
      if (at.isPlaying) video.play().catch(release);
    },
    destroy: () => {
      void end(playing);
      place.replaceChildren();
    },
  };
}

/** The pictures of the scrubber and the chapters: files of their own beside the stream. */
function sideTracks(video: HTMLVideoElement): { show(session: PlayAnswer): void } {
  const put = (kind: 'metadata' | 'chapters', label: string, url: string | undefined) => {
    const there = video.querySelector<HTMLTrackElement>(`track[label="${label}"]`);
    if (!url || there?.src === url) return;
    there?.remove();
    const track = document.createElement('track');
    Object.assign(track, { kind, label, default: true, src: url });
    video.append(track);
    track.track.mode = 'hidden';
  };
  return {
    show: ({ storyboard, chapters }) => {
      put('metadata', 'thumbnails', storyboard);
      put('chapters', 'chapters', chapters);
    },
  };
}

/** The last picture stays in sight while the element changes to another stream. @returns what takes it away */
function holdPicture(video: HTMLVideoElement): () => void {
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.slot = 'poster';
  canvas.className = 'player-held';
  canvas.getContext('2d')?.drawImage(video, 0, 0);
  video.parentElement?.append(canvas);
  return () => canvas.remove();
}

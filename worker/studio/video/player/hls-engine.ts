// hls.js: every request with the newest token, and with CMCD once somebody has pressed play.
import Hls, {
  ErrorTypes,
  Events,
  type LoaderCallbacks,
  type LoaderConfiguration,
  type LoaderContext,
} from 'hls.js';
import type { Engine, EngineNews, EngineStart, Sound } from './engine.ts';
import type { Tokens } from './tokens.ts';

const MAX_RECOVERIES = 4;
const AUTO = -1;

export function canPlayHls(): boolean {
  return Hls.isSupported();
}

export function playHls({ video, tokens, news, videoId, atSeconds }: EngineStart): Engine {
  const session = tokens.session();
  const hls = new Hls({
    enableWorker: false, // fragmented MP4 is passed on as it is: there is no work to move
    backBufferLength: 60,
    startPosition: atSeconds ?? -1,
    cmcd: { sessionId: session.sessionId, contentId: videoId, useHeaders: true },
    loader: quietUntilPlayed(video),
    xhrSetup: (xhr, url) => {
      const fresh = tokens.freshen(url);
      if (fresh !== url) xhr.open('GET', fresh, true); // hls.js leaves an opened request as it is
    },
  });
  tellQualities(hls, news);
  tellSounds(hls, news);
  showForcedText(hls);
  recoverFromErrors(hls, tokens, news);
  hls.loadSource(tokens.freshen(session.hls ?? ''));
  hls.attachMedia(video);
  return {
    chooseQuality: (id) => {
      hls.nextLevel = id === undefined ? AUTO : Number(id);
    },
    chooseSound: (id) => {
      hls.audioTrack = Number(id);
    },
    destroy: () => hls.destroy(),
  };
}

/** A page that was opened and left alone is no viewer whose quality of experience counts. */
function quietUntilPlayed(video: HTMLVideoElement): typeof Hls.DefaultConfig.loader {
  const isPlayed = () => !video.paused || video.currentTime > 0;
  return class extends Hls.DefaultConfig.loader {
    override load(
      context: LoaderContext,
      config: LoaderConfiguration,
      callbacks: LoaderCallbacks<LoaderContext>,
    ): void {
      if (!isPlayed() && context.headers) {
        const kept = Object.entries(context.headers).filter(([name]) => !/^cmcd-/i.test(name));
        context.headers = Object.fromEntries(kept);
      }
      super.load(context, config, callbacks);
    }
  };
}

function tellQualities(hls: Hls, news: EngineNews): void {
  hls.on(Events.MANIFEST_PARSED, () => {
    // Rungs of other codecs have the sizes of the ladder once more: they are for the player to choose.
    const pictures = hls.levels.flatMap(({ width, height, bitrate, videoCodec }, index) =>
      height > 0 && videoCodec?.startsWith('avc1') ? [{ id: String(index), width, height, bitrate }] : [],
    );
    news.qualities(pictures);
  });
  hls.on(Events.LEVEL_SWITCHED, (_event, { level }) => news.quality(String(level), hls.autoLevelEnabled));
}

function tellSounds(hls: Hls, news: EngineNews): void {
  const tell = () => {
    // A language without surround sound stands in both groups with the same track.
    const sounds = hls.audioTracks.flatMap(({ name, url, channels, lang }, index): Sound[] => {
      const isFirst = hls.audioTracks.findIndex((other) => other.url === url) === index;
      const label = channels === '6' ? `${name} 5.1` : name;
      return isFirst ? [{ id: String(index), label, language: lang ?? '' }] : [];
    });
    const playing = hls.audioTracks[hls.audioTrack];
    const id = hls.audioTracks.findIndex(({ url }) => playing !== undefined && url === playing.url);
    news.sounds(sounds, id < 0 ? undefined : String(id));
  };
  hls.on(Events.AUDIO_TRACKS_UPDATED, tell);
  hls.on(Events.AUDIO_TRACK_SWITCHED, tell);
}

/** Text that belongs to a language's sound, such as signs in the picture, unless the viewer chose other text. */
function showForcedText(hls: Hls): void {
  const show = () => {
    const shown = hls.subtitleTracks[hls.subtitleTrack];
    if (shown && !shown.forced) return;
    const language = hls.audioTracks[hls.audioTrack]?.lang;
    const forced = hls.subtitleTracks.findIndex((track) => track.forced && track.lang === language);
    if (forced !== hls.subtitleTrack) hls.subtitleTrack = forced;
  };
  hls.on(Events.SUBTITLE_TRACKS_UPDATED, show);
  hls.on(Events.AUDIO_TRACK_SWITCHED, show);
}

function recoverFromErrors(hls: Hls, tokens: Tokens, news: EngineNews): void {
  let recoveries = 0;
  hls.on(Events.FRAG_BUFFERED, () => {
    recoveries = 0;
  });
  hls.on(Events.ERROR, async (_event, error) => {
    if (!error.fatal) return;
    recoveries += 1;
    if (recoveries > MAX_RECOVERIES) {
      hls.destroy();
      news.failed('The stream broke off. Load the page again to go on watching.');
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

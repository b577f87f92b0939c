// Shaka, for what is under Common Encryption: licences from where the play answer says, with its headers.
import shaka from 'shaka-player/dist/shaka-player.dash.js';
import type { Engine, EngineNews, EngineStart, Sound } from './engine.ts';

type AudioTrack = ReturnType<InstanceType<typeof shaka.Player>['getAudioTracks']>[number];
type VideoTrack = ReturnType<InstanceType<typeof shaka.Player>['getVideoTracks']>[number];

export async function playDash({ video, tokens, news, videoId, atSeconds }: EngineStart): Promise<Engine> {
  const session = tokens.session();
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  const fail = (code: number | undefined) => news.failed(sentenceOf(code));
  player.addEventListener('error', (event) => fail((event as CustomEvent<{ code?: number }>).detail?.code));
  player.configure({
    // Shaka 5.2 takes up init segments whose prefetch it has itself aborted, in a loop that freezes the page.
    streaming: { segmentPrefetchLimit: 0 },
    cmcd: { enabled: true, sessionId: session.sessionId, contentId: videoId, useHeaders: true },
    drm: {
      servers: Object.fromEntries(
        (session.drm?.systems ?? []).map(({ keySystem, licenseUrl }) => [keySystem, licenseUrl]),
      ),
    },
  });
  player
    .getNetworkingEngine()
    ?.registerRequestFilter((type: number, request: { uris: string[]; headers: Record<string, string> }) => {
      request.uris = request.uris.map((uri) => tokens.freshen(uri));
      if (type === shaka.net.NetworkingEngine.RequestType.LICENSE) {
        Object.assign(request.headers, session.drm?.headers);
      }
      const isPlayed = !video.paused || video.currentTime > 0;
      if (isPlayed) return;
      for (const name of Object.keys(request.headers)) {
        if (/^cmcd-/i.test(name)) delete request.headers[name];
      }
    });
  const tracks = () => player.getVideoTracks().filter(({ height }) => height);
  const sounds = () => player.getAudioTracks();
  let isAutomatic = true;
  const tellQuality = () => {
    const active = tracks().find((track) => track.active);
    if (active) news.quality(idOf(active), isAutomatic);
  };
  player.addEventListener('adaptation', tellQuality);
  player.addEventListener('variantchanged', tellQuality);
  player.addEventListener('audiotrackchanged', () => tellSounds(sounds(), news));
  player.addEventListener('audiotrackschanged', () => tellSounds(sounds(), news));
  await player.attach(video);
  player
    .load(tokens.freshen(session.dash ?? ''), atSeconds)
    .then(() => {
      news.qualities(
        tracks().map((track) => ({
          ...{ id: idOf(track), width: track.width ?? 0, height: track.height ?? 0 },
          bitrate: track.bandwidth,
        })),
      );
      tellQuality();
      tellSounds(sounds(), news);
    })
    .catch((error: { code?: number }) => fail(error.code));
  return {
    chooseQuality: (id) => {
      isAutomatic = id === undefined;
      player.configure('abr.enabled', isAutomatic);
      const wanted = tracks().find((track) => idOf(track) === id);
      if (wanted) player.selectVideoTrack(wanted, true);
      tellQuality();
    },
    chooseSound: (id) => {
      const wanted = sounds()[Number(id)];
      if (wanted) player.selectAudioTrack(wanted);
      tellSounds(sounds(), news);
    },
    destroy: () => void player.destroy(),
  };
}

/** Of a rung: its tracks of several sounds are one. */
function idOf({ height, bandwidth }: VideoTrack): string {
  return `${height}-${bandwidth}`;
}

function tellSounds(all: AudioTrack[], news: EngineNews): void {
  const listed = all.map(({ label, language, channelsCount }, index): Sound => {
    const name = label || language || `Track ${index + 1}`;
    return { id: String(index), label: channelsCount === 6 ? `${name} 5.1` : name, language };
  });
  const active = all.findIndex((track) => track.active);
  news.sounds(listed, active < 0 ? undefined : String(active));
}

/** https://shaka-player-demo.appspot.com/docs/api/shaka.util.Error.html: 6xxx are of protection. */
function sentenceOf(code: number | undefined): string {
  if (code !== undefined && code >= 6000 && code < 7000) {
    return window.isSecureContext
      ? 'The licence of this protected video was refused, or this browser cannot use it.'
      : 'Protected video plays only on pages opened over https.';
  }
  return 'The stream broke off. Load the page again to go on watching.';
}

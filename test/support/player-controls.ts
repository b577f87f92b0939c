// Five players behind one set of controls. Everything here runs in the page: strings, so that no bundler or type of
// this side touches them. Each is a function of what the answer to play holds, and gives
// { setHeight, showText, setSound }; what goes wrong it adds to window.failures.

export type Player = 'hls.js' | 'shaka-hls' | 'shaka-dash' | 'dash.js' | 'dash.js-by-manifest' | 'video.js';

/** The script that a player needs, as the page's server names it. */
export const SCRIPT_OF: Record<Player, string> = {
  'hls.js': '/hls.js',
  'shaka-hls': '/shaka.js',
  'shaka-dash': '/shaka.js',
  'dash.js': '/dash.js',
  'dash.js-by-manifest': '/dash.js',
  'video.js': '/video.js',
};

const HLS_JS = `async (answer) => {
  const video = document.querySelector('video');
  // With a buffer that takes all of the film: where a forced switch meets a key on its way, hls.js 1.7 may wait for
  // that key for ever.
  const hls = new Hls({ startLevel: 0, maxBufferLength: 30 });
  hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) window.failures.push(data.type + ' ' + data.details); });
  const ready = new Promise((resolve) => hls.on(Hls.Events.MANIFEST_PARSED, resolve));
  hls.loadSource(answer.hls);
  hls.attachMedia(video);
  await ready;
  video.play().catch(() => {});
  return {
    setHeight: (height) => { hls.currentLevel = hls.levels.findIndex((level) => level.height === height); },
    showText: (language) => {
      hls.subtitleTrack = hls.subtitleTracks.findIndex((track) => track.lang === language);
      hls.subtitleDisplay = true;
    },
    setSound: (language) => { hls.audioTrack = hls.audioTracks.findIndex((track) => track.lang === language); },
  };
}`;

const SHAKA = `async (answer, url) => {
  const video = document.querySelector('video');
  const player = new shaka.Player();
  player.addEventListener('error', (event) => window.failures.push('shaka ' + event.detail.code));
  // Shaka 5.2 shows HLS subtitles from the next video segment on that it appends after they were chosen (its
  // text_engine.js defers them for the offset of that segment): with all of a short film buffered, never.
  player.configure({ abr: { enabled: false }, streaming: { bufferingGoal: 3, rebufferingGoal: 0.5 } });
  if (answer.drm) {
    player.configure({ drm: { servers: { [answer.drm.keySystem]: answer.drm.licenseUrl } } });
    player.getNetworkingEngine().registerRequestFilter((type, request) => {
      if (type === shaka.net.NetworkingEngine.RequestType.LICENSE) Object.assign(request.headers, answer.drm.headers);
    });
  }
  await player.attach(video);
  // Never settles where there is no key.
  player.load(url).then(() => video.play()).catch((error) => window.failures.push('shaka ' + error.code));
  return {
    setHeight: (height) => {
      player.selectVideoTrack(player.getVideoTracks().find((track) => track.height === height), true);
    },
    showText: (language) => {
      player.selectTextTrack(player.getTextTracks().find((track) => track.language === language));
    },
    setSound: (language) => {
      player.selectAudioTrack(player.getAudioTracks().find((track) => track.language === language));
    },
  };
}`;

const DASH_JS = `async (answer, protection) => {
  const player = dashjs.MediaPlayer().create();
  player.updateSettings({ debug: { logLevel: 0 }, streaming: { abr: { autoSwitchBitrate: { video: false } } } });
  player.on('error', (event) => window.failures.push('dash.js ' + (event.error && event.error.code)));
  player.initialize(document.querySelector('video'), null, true);
  if (protection) player.setProtectionData(protection);
  player.attachSource(answer.dash);
  return {
    setHeight: (height) => {
      const wanted = player.getRepresentationsByType('video').find((one) => one.height === height);
      player.setRepresentationForTypeById('video', wanted.id, true);
    },
    showText: (language) => {
      player.enableText(true);
      player.setTextTrack(player.getTracksFor('text').findIndex((track) => track.lang === language));
    },
    setSound: (language) => {
      player.setCurrentTrack(player.getTracksFor('audio').find((track) => track.lang === language));
    },
  };
}`;

const VIDEO_JS = `async (answer) => {
  const player = videojs(document.querySelector('video'), {
    html5: { vhs: { overrideNative: true }, nativeAudioTracks: false, nativeTextTracks: false },
  });
  player.on('error', () => window.failures.push('video.js ' + player.error().code + ' ' + player.error().message));
  player.src({ src: answer.hls, type: 'application/vnd.apple.mpegurl' });
  player.ready(() => player.play().catch(() => {}));
  // Its lists have no iterator.
  const listed = (list) => Array.from({ length: list.length }, (_, index) => list[index]);
  window.textTracks = () => listed(player.textTracks());
  return {
    setHeight: (height) => {
      for (const one of player.tech(true).vhs.representations()) one.enabled(one.height === height);
    },
    showText: (language) => {
      for (const track of listed(player.textTracks())) {
        if (track.kind === 'subtitles') track.mode = track.language === language ? 'showing' : 'disabled';
      }
    },
    setSound: (language) => {
      for (const track of listed(player.audioTracks())) track.enabled = track.language === language;
    },
  };
}`;

export const START: Record<Player, string> = {
  'hls.js': HLS_JS,
  'shaka-hls': `(answer) => (${SHAKA})(answer, answer.hls)`,
  'shaka-dash': `(answer) => (${SHAKA})(answer, answer.dash)`,
  'dash.js': `(answer) => (${DASH_JS})(answer, answer.drm && {
    [answer.drm.keySystem]: { serverURL: answer.drm.licenseUrl, httpRequestHeaders: answer.drm.headers },
  })`,
  'dash.js-by-manifest': `(answer) => (${DASH_JS})(answer)`,
  'video.js': VIDEO_JS,
};

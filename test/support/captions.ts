// What a player in Chromium makes of subtitles and languages: lists them, shows a cue, switches the sound.
import type { Browser } from 'playwright-core';

export type TextReport = {
  subtitleLanguages: string[];
  audioLanguages: string[];
  /** Of the tracks of the language that plays; absent where the player does not tell. */
  channels: number;
  /** What is shown at the moment asked for, and how many cues there are in all. */
  cue: string;
  cues: number;
  /** Whether the clock went on after the switch to the other language, and which files of it were read. */
  secondsAfterSwitch: number;
  soundFiles: string[];
  failures: string[];
};

export type TextPlayer = 'hls.js' | 'shaka';

/** Plays `url`, turns on the subtitles of `subtitles`, goes to `atSeconds`, and then changes the sound to `sound`. */
export async function readTexts(
  browser: Browser,
  pageUrl: string,
  player: TextPlayer,
  url: string,
  wanted: { subtitles: string; sound: string; atSeconds: number },
): Promise<TextReport> {
  const page = await browser.newPage();
  try {
    await page.goto(pageUrl);
    return (await page.evaluate(
      `${WATCH}(${PLAYERS[player]}, ${JSON.stringify(url)}, ${JSON.stringify(wanted)})`,
    )) as TextReport;
  } finally {
    await page.close();
  }
}

// The functions below run in the page: strings, so that no bundler or type of this side touches them.
const PLAYERS: Record<TextPlayer, string> = {
  'hls.js': `(async (url, video, failures) => {
    const hls = new Hls({ startLevel: 0, maxBufferLength: 8 });
    hls.on(Hls.Events.ERROR, (_event, data) => { if (data.fatal) failures.push(data.type + ' ' + data.details); });
    const ready = new Promise((resolve) => hls.on(Hls.Events.MANIFEST_PARSED, resolve));
    hls.loadSource(url);
    hls.attachMedia(video);
    await ready;
    return {
      subtitles: () => hls.allSubtitleTracks.map((track) => track.lang),
      sounds: () => [...new Set(hls.audioTracks.map((track) => track.lang))],
      channels: () => Number(hls.audioTracks[hls.audioTrack]?.channels ?? 0),
      showSubtitles: (language) => {
        hls.subtitleTrack = hls.subtitleTracks.findIndex((track) => track.lang === language);
        hls.subtitleDisplay = true;
      },
      switchSound: (language) => { hls.audioTrack = hls.audioTracks.findIndex((track) => track.lang === language); },
    };
  })`,
  shaka: `(async (url, video, failures) => {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    player.addEventListener('error', (event) => failures.push('shaka ' + event.detail.code));
    player.configure({ abr: { enabled: false }, streaming: { bufferingGoal: 2 } });
    await player.attach(video);
    await player.load(url);
    return {
      subtitles: () => player.getTextTracks().map((track) => track.language),
      sounds: () => [...new Set(player.getAudioTracks().map((track) => track.language))],
      channels: () => player.getAudioTracks().find((track) => track.active).channelsCount,
      showSubtitles: async (language) => {
        player.selectTextTrack(player.getTextTracks().find((track) => track.language === language));
        await player.setTextTrackVisibility?.(true);
      },
      switchSound: (language) => {
        player.selectAudioTrack(player.getAudioTracks().find((track) => track.language === language));
      },
    };
  })`,
};

const WATCH = `(async (start, url, { subtitles, sound, atSeconds }) => {
  const video = document.getElementById('video');
  const failures = [];
  const until = async (what, condition, ms = 60000) => {
    const end = performance.now() + ms;
    while (!condition()) {
      if (performance.now() > end) { failures.push('timed out: ' + what); return; }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const player = await start(url, video, failures);
  await until('the first picture', () => video.readyState >= 2);
  await until('the lists', () => player.subtitles().length > 0 && player.sounds().length > 0);
  const report = {
    subtitleLanguages: player.subtitles().toSorted(), audioLanguages: player.sounds().toSorted(),
    channels: player.channels(),
  };
  await player.showSubtitles(subtitles);
  const files = () => performance.getEntriesByType('resource').map((entry) => entry.name);
  // Shaka shows HLS subtitles with the next video segment it appends: they are chosen before the seek asks for one.
  await until('the subtitles', () => files().some((name) => name.includes('/subtitles_' + subtitles) && name.endsWith('.vtt')));
  video.currentTime = atSeconds;
  await until('the seek', () => !video.seeking && video.readyState >= 2);
  const showing = () => [...video.textTracks].filter((track) => track.mode !== 'disabled');
  const active = () => showing().flatMap((track) => [...(track.activeCues ?? [])]);
  await until('the cue', () => active().length > 0);
  report.cue = active().map((cue) => cue.text).join(' | ');
  report.cues = showing().reduce((sum, track) => sum + (track.cues?.length ?? 0), 0);
  await player.switchSound(sound);
  await video.play();
  const from = video.currentTime;
  const isSound = (name) => name.includes('/audio_' + sound) && name.endsWith('.m4s');
  await until('sound of the other language', () => files().some(isSound));
  await until('the clock to go on', () => video.currentTime > from + 0.5 || video.ended);
  report.secondsAfterSwitch = video.currentTime - from;
  const soundFiles = files().map((name) => name.split('/').at(-1)).filter((name) => /^audio_.*m4s$/.test(name));
  report.soundFiles = [...new Set(soundFiles.map((name) => name.replace(/_\\d+\\.m4s$/, '')))];
  return { ...report, failures };
})`;

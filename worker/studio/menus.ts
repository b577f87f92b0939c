// The two menus beside the video: quality, and audio where there is more than one track.
import type Hls from 'hls.js';
import { Events } from 'hls.js';

/** A select and the label around it; the label is hidden while there is nothing to choose. */
export type Menu = { select: HTMLSelectElement; label: HTMLElement };

const AUTO = -1;

export function offerQualities(hls: Hls, menu: Menu): void {
  const auto = new Option('Auto', String(AUTO));
  hls.on(Events.MANIFEST_PARSED, () => {
    const options = hls.levels
      .map((level, index) => ({ rung: Math.min(level.width, level.height), index }))
      .sort((a, b) => b.rung - a.rung)
      .map(({ rung, index }) => new Option(`${rung}p`, String(index)));
    menu.select.replaceChildren(auto, ...options);
    menu.label.hidden = false;
  });
  hls.on(Events.LEVEL_SWITCHED, (_event, { level }) => {
    const shown = hls.levels[level];
    auto.text = hls.autoLevelEnabled && shown ? `Auto (${Math.min(shown.width, shown.height)}p)` : 'Auto';
  });
  menu.select.addEventListener('change', () => {
    hls.nextLevel = Number(menu.select.value);
  });
}

export function offerAudioTracks(hls: Hls, menu: Menu): void {
  hls.on(Events.AUDIO_TRACKS_UPDATED, (_event, { audioTracks }) => {
    // A language without surround sound stands in both groups with the same track.
    const options = audioTracks.flatMap(({ name, url, channels }, index) => {
      const isFirst = audioTracks.findIndex((other) => other.url === url) === index;
      return isFirst ? [new Option(channels === '6' ? `${name} 5.1` : name, String(index))] : [];
    });
    menu.select.replaceChildren(...options);
    menu.label.hidden = options.length < 2;
  });
  hls.on(Events.AUDIO_TRACK_SWITCHED, () => {
    menu.select.value = String(hls.audioTrack);
  });
  menu.select.addEventListener('change', () => {
    hls.audioTrack = Number(menu.select.value);
  });
}

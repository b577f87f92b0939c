// The player's controls, by media-chrome: it listens to the <video> and to the keyboard.
import 'media-chrome';
import 'media-chrome/menu';

/** The controls around `video`, ready to be put into a page. */
export function controlsAround(video: HTMLVideoElement, title: string): HTMLElement {
  const template = document.createElement('template');
  template.innerHTML = CONTROLS;
  const controls = template.content.querySelector('media-controller') as HTMLElement;
  controls.setAttribute('aria-label', `Player: ${title}`);
  video.slot = 'media';
  controls.prepend(video);
  // In place of "1x", which the button's spoken name does not have; the style sheet adds the sign.
  const rate = controls.querySelector('.player-rate') as HTMLElement;
  video.addEventListener('ratechange', () => {
    rate.textContent = String(video.playbackRate);
  });
  return controls;
}

// A constant: nothing of a video's is written into it.
const CONTROLS = `
<media-controller class="player-controls" defaultstreamtype="on-demand" keyboardbackwardseekoffset="5"
  keyboardforwardseekoffset="5" autohide="3">
  <media-loading-indicator slot="centered-chrome" noautohide></media-loading-indicator>
  <media-error-dialog slot="dialog"></media-error-dialog>
  <media-rendition-menu class="player-menu" hidden anchor="auto"></media-rendition-menu>
  <media-playback-rate-menu class="player-menu" hidden anchor="auto" rates="0.5 0.75 1 1.25 1.5 2"></media-playback-rate-menu>
  <media-captions-menu class="player-menu" hidden anchor="auto"></media-captions-menu>
  <media-audio-track-menu class="player-menu" hidden anchor="auto"></media-audio-track-menu>
  <media-control-bar class="player-scrub">
    <media-time-range></media-time-range>
  </media-control-bar>
  <media-control-bar class="player-bar">
    <media-play-button></media-play-button>
    <media-seek-backward-button class="player-wide" seekoffset="10"></media-seek-backward-button>
    <media-seek-forward-button class="player-wide" seekoffset="10"></media-seek-forward-button>
    <media-mute-button></media-mute-button>
    <media-volume-range class="player-wide"></media-volume-range>
    <media-time-display showduration notoggle></media-time-display>
    <span class="player-space"></span>
    <media-captions-menu-button></media-captions-menu-button>
    <media-audio-track-menu-button></media-audio-track-menu-button>
    <media-playback-rate-menu-button>
      <span slot="icon" class="player-rate">1</span>
    </media-playback-rate-menu-button>
    <media-rendition-menu-button></media-rendition-menu-button>
    <media-pip-button class="player-wide"></media-pip-button>
    <media-fullscreen-button></media-fullscreen-button>
  </media-control-bar>
</media-controller>`;

// The watch page. `data-state` on <body> is what it shows: loading, processing, ready, failed or expired.
import type { Video } from '../../shared/api.ts';
import { ApiFailure, createWatchApi, type WatchApi } from './api-client.ts';
import { followUntilDone, followUntilPlayable, type JobProgress } from './follow-job.ts';
import { startPlayer } from './player.ts';

type PageState = 'loading' | 'processing' | 'ready' | 'failed' | 'expired';

const player = element<HTMLVideoElement>('player');

// A new link pasted over this one changes the fragment alone, which loads nothing.
addEventListener('hashchange', () => location.reload());
void start();

async function start(): Promise<void> {
  const videoId = decodeURIComponent(location.pathname.split('/')[2] ?? '');
  const token = new URLSearchParams(location.hash.slice(1)).get('t');
  if (!token) {
    show('expired', 'This link is incomplete', 'Ask whoever sent it for the whole link.');
    return;
  }
  try {
    await watch(videoId, token);
  } catch (error) {
    if (error instanceof ApiFailure && error.isLinkTrouble) {
      const title = error.code === 'token_expired' ? 'This link has expired' : 'This link is not valid';
      show('expired', title, 'Ask whoever sent it for a new one.');
    } else if (error instanceof ApiFailure) {
      show('failed', 'The video cannot be shown', error.message);
    } else {
      show('failed', 'The video cannot be shown', 'Something went wrong on this page. Load it again.');
      throw error; // for the console
    }
  }
}

async function watch(videoId: string, token: string): Promise<void> {
  const api = createWatchApi(videoId, token);
  const video = await followUntilPlayable(api, (pending, progress) => {
    showTitle(pending);
    showProgress(pending, progress);
  });
  showTitle(video);
  if (video.state === 'failed') {
    show('failed', 'This video could not be processed', video.error?.detail ?? 'No reason was given.');
    return;
  }
  const session = await api.play();
  const parts = {
    video: player,
    quality: { select: element<HTMLSelectElement>('quality'), label: element('quality-menu') },
    audio: { select: element<HTMLSelectElement>('audio'), label: element('audio-menu') },
  };
  show('ready', '', '');
  const onFailure = (sentence: string) => show('failed', 'Playback stopped', sentence);
  startPlayer(parts, { videoId, session, api, onFailure });
  if (video.state === 'playable') await tellPreparation(api);
}

/** Says beside the picture that the video is not finished. What plays goes on by itself, whatever comes of it. */
async function tellPreparation(api: WatchApi): Promise<void> {
  const note = element('preparing');
  note.hidden = false;
  try {
    const video = await followUntilDone(api, (_video, progress) => {
      const percent = progress ? ` (${Math.floor(progress.percent)}%)` : '';
      setText('preparing', `Still being prepared${percent}`);
    });
    note.hidden = video.state === 'ready';
    if (video.state === 'failed') {
      setText('preparing', `Preparing it failed, so it may end early. ${video.error?.detail ?? ''}`.trim());
    } else if (!note.hidden) {
      setText('preparing', 'Other qualities could not be made.');
    }
  } catch {
    note.hidden = true; // the news is lost; the video plays
  }
}

function showTitle(video: Video): void {
  element('title').textContent = video.title;
  document.title = video.title;
}

function showProgress(video: Video, progress: JobProgress | undefined): void {
  if (!progress) {
    show('processing', 'Waiting for the upload to finish', 'The video appears here as soon as it is ready.');
    return;
  }
  show('processing', 'The video is being prepared', capitalised(progress.stage));
  const percent = Math.floor(progress.percent);
  element('progress').hidden = false;
  element<HTMLProgressElement>('progress-bar').value = progress.percent;
  element('progress-percent').textContent = `${percent}%`;
  element('progress-eta').textContent =
    progress.etaSeconds === undefined ? '' : `about ${duration(progress.etaSeconds)} left`;
  document.title = `${percent}% · ${video.title}`;
}

function show(state: PageState, title: string, detail: string): void {
  document.body.dataset.state = state;
  setText('notice-title', title);
  setText('notice-detail', detail);
  if (state !== 'processing') element('progress').hidden = true;
}

/** Unchanged text is left alone: the notice is a live region, and screen readers repeat what is set. */
function setText(id: string, text: string): void {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function element<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

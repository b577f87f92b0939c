// Keeps a <video> where the room is. Whoever drifts is nudged, whoever is lost is moved.
import { follow } from '../../../shared/room-follow.ts';
import type { RoomClient } from './room-client.ts';

const LOOK_MS = 200;
const REPORT_MS = 5000;
/** A picture that stands still is where it should be within a frame or so. */
const STILL_SECONDS = 0.05;
/** After a jump the picture is given time to come before it is judged again. */
const SETTLE_MS = 1500;
const FIRST_SEEK_SECONDS = 0.2;
const MAX_SEEK_SECONDS = 3;

export type FollowNews = {
  /** Positive when ahead of the room. */
  drift(driftMs: number | undefined): void;
  /** The browser plays nothing with sound before somebody has clicked. */
  muted(): void;
};

export type Follower = { stop(): void };

export function followRoom(video: HTMLVideoElement, client: RoomClient, news: FollowNews): Follower {
  let seekSeconds = FIRST_SEEK_SECONDS;
  let soughtAtMs = Number.NEGATIVE_INFINITY;
  let reportedAtMs = Number.NEGATIVE_INFINITY;
  let driftMs: number | undefined;

  const onSeeked = () => {
    // What a seek took is what the next one leads by.
    const tookSeconds = (performance.now() - soughtAtMs) / 1000;
    seekSeconds = Math.min(MAX_SEEK_SECONDS, (seekSeconds + tookSeconds) / 2);
  };
  video.addEventListener('seeked', onSeeked);

  const seek = (seconds: number) => {
    soughtAtMs = performance.now();
    video.currentTime = Math.min(seconds, Number.isFinite(video.duration) ? video.duration : seconds);
  };

  const look = () => {
    const { state } = client.sight;
    const target = client.targetSeconds();
    if (!state || target === undefined || video.readyState === 0) return;
    const end = Number.isFinite(video.duration) ? video.duration : target;
    const targetSeconds = Math.min(target, end);
    const drift = video.currentTime - targetSeconds;
    const isBuffering = video.seeking || video.readyState < 3;
    driftMs = isBuffering ? undefined : Math.round(drift * 1000);
    news.drift(driftMs);
    report(isBuffering);
    if (video.seeking) return;
    if (state.paused || target >= end) {
      if (!video.paused) video.pause();
      if (Math.abs(drift) > STILL_SECONDS) seek(targetSeconds);
      return;
    }
    const { playbackRate, seekTo } = follow({
      ...{ targetSeconds, currentSeconds: video.currentTime, rate: state.rate },
      seekSeconds,
    });
    if (video.paused) {
      if (seekTo !== undefined) seek(targetSeconds);
      play(video, news);
      return;
    }
    if (seekTo !== undefined) {
      if (performance.now() - soughtAtMs > SETTLE_MS) seek(seekTo);
    } else if (video.playbackRate !== playbackRate) {
      video.playbackRate = playbackRate;
    }
  };

  const report = (isBuffering: boolean) => {
    if (performance.now() - reportedAtMs < REPORT_MS) return;
    reportedAtMs = performance.now();
    client.say({ type: 'report', isBuffering, ...(driftMs !== undefined && { driftMs }) });
  };

  const timer = setInterval(look, LOOK_MS);
  return {
    stop: () => {
      clearInterval(timer);
      video.removeEventListener('seeked', onSeeked);
    },
  };
}

function play(video: HTMLVideoElement, news: FollowNews): void {
  video.play().catch((error: unknown) => {
    if (!(error instanceof DOMException) || error.name !== 'NotAllowedError' || video.muted) return;
    video.muted = true;
    news.muted();
    video.play().catch(() => {}); // the next look tries again
  });
}

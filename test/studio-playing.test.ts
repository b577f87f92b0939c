import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PlayAnswer } from '../shared/play-api.ts';
import type { WatchEvent } from '../shared/watch-api.ts';
import { UNWATCHED, watch } from '../shared/watch-session.ts';
import { analyticsQuery, rangeOfDays } from '../worker/studio/video/date-range.ts';
import { isSameStream } from '../worker/studio/video/player/engine.ts';
import { keepTokens } from '../worker/studio/video/player/tokens.ts';
import { reportWatching } from '../worker/studio/video/player/watch-events.ts';

const SESSION: PlayAnswer = {
  sessionId: 's1',
  hls: 'https://reelay.test/p/old/hls/videos/v/job/master.m3u8',
  expiresAt: new Date(Date.now() + 600_000).toISOString(),
};

/** As much of a <video> as is listened to. */
class FakeVideo extends EventTarget {
  currentTime = 0;
  playbackRate = 1;
  ended = false;

  tell(...names: string[]): void {
    for (const name of names) this.dispatchEvent(new Event(name));
  }

  /** Plays on, a quarter of a second between two words of the clock. */
  playTo(seconds: number): void {
    while (this.currentTime < seconds) {
      this.currentTime = Math.min(seconds, this.currentTime + 0.25);
      this.tell('timeupdate');
    }
  }

  /** In the order of the HTML standard: the clock tells of the new place before the seek is over. */
  seekTo(seconds: number): void {
    this.currentTime = seconds;
    this.tell('seeking', 'timeupdate', 'seeked');
  }
}

describe('what the page tells of watching', () => {
  const sent: { sessionId: string; token: string; events: WatchEvent[] }[] = [];
  const events = () => sent.flatMap((body) => body.events);

  beforeEach(() => {
    sent.length = 0;
    vi.useFakeTimers();
    vi.stubGlobal('document', Object.assign(new EventTarget(), { visibilityState: 'visible' }));
    vi.stubGlobal('navigator', { sendBeacon: (_url: string, body: string) => sent.push(JSON.parse(body)) });
  });

  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  function begin() {
    const video = new FakeVideo();
    const tokens = keepTokens(SESSION, { renew: async () => SESSION });
    const report = reportWatching(video as unknown as HTMLVideoElement, tokens);
    return { video, report, tokens };
  }

  it('adds up to the seconds that were played, each where it was played', () => {
    const { video, report } = begin();
    video.tell('play', 'playing');
    video.playTo(12);
    video.seekTo(13.5);
    video.playTo(20);
    video.seekTo(4);
    video.playTo(6);
    report.stop();
    const { session, delta } = watch(UNWATCHED, events(), 100);
    expect(session.watchedSeconds).toBeCloseTo(12 + 6.5 + 2, 3);
    expect(delta.played.slice(0, 21).map((seconds) => Number(seconds.toFixed(2)))).toEqual([
      ...[1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1],
      ...[0, 0.5, 1, 1, 1, 1, 1, 1, 0],
    ]);
    expect(events().map(({ seq }) => seq)).toEqual(events().map((_, index) => index));
    expect(sent[0]).toMatchObject({ sessionId: 's1', token: 'old' });
  });

  it('is complete at the end, and not when the page is left before', () => {
    const whole = begin();
    whole.video.tell('play', 'playing');
    whole.video.playTo(20);
    whole.video.ended = true;
    whole.video.tell('pause', 'ended');
    whole.report.stop();
    expect(watch(UNWATCHED, events(), 20).session).toMatchObject({ isView: true, isCompleted: true });
    sent.length = 0;
    const left = begin();
    left.video.tell('play', 'playing');
    left.video.playTo(15);
    left.report.stop();
    expect(watch(UNWATCHED, events(), 20).session).toMatchObject({ isView: true, isCompleted: false });
  });

  it('is nothing where nobody has pressed play', () => {
    const { video, report } = begin();
    video.tell('timeupdate');
    video.seekTo(9);
    report.quality();
    report.stop();
    expect(sent).toEqual([]);
  });
});

describe('the token of a session', () => {
  afterEach(() => vi.useRealTimers());

  it('is renewed before it ends, and put into every URL from then on', async () => {
    vi.useFakeTimers();
    const renewed = { ...SESSION, hls: SESSION.hls!.replace('/old/', '/new/') };
    const renew = vi.fn(async () => renewed);
    const begun = { ...SESSION, expiresAt: new Date(Date.now() + 120_000).toISOString() };
    const tokens = keepTokens(begun, { renew });
    const url = 'https://reelay.test/p/old/hls/videos/v/job/stream_360p_001.m4s';
    await vi.advanceTimersByTimeAsync(15_000);
    expect(renew).not.toHaveBeenCalled();
    expect(tokens.freshen(url)).toBe(url);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(renew).toHaveBeenCalledWith('s1');
    expect(tokens.freshen(url)).toBe(url.replace('/old/', '/new/'));
    tokens.stop();
  });
});

describe('two sessions', () => {
  it('read the same stream where only their tokens differ', () => {
    const other = (path: string) => ({ ...SESSION, hls: `https://reelay.test/p/other/hls/videos/v/${path}` });
    expect(isSameStream(SESSION, other('job/master.m3u8'))).toBe(true);
    expect(isSameStream(SESSION, other('job-instant/master.m3u8'))).toBe(false);
  });
});

describe('days of analytics', () => {
  it('include the last one, which the API leaves out', () => {
    const range = rangeOfDays(7, Date.parse('2026-11-20T23:00:00Z'));
    expect(range).toEqual({ from: '2026-11-14', to: '2026-11-20' });
    expect(analyticsQuery(range)).toBe('from=2026-11-14&to=2026-11-21');
  });

  it('are not asked for where the API would refuse them', () => {
    expect(analyticsQuery({ from: '2025-11-21', to: '2026-11-20' })).toBeDefined();
    expect(analyticsQuery({ from: '2025-11-18', to: '2026-11-20' })).toBeUndefined();
    expect(analyticsQuery({ from: '2026-11-21', to: '2026-11-20' })).toBeUndefined();
    expect(analyticsQuery({ from: '', to: '2026-11-20' })).toBeUndefined();
  });
});

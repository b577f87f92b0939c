// The few API calls the watch page makes, as the guest of one video.
import type { Video } from '../../shared/api.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';

export type WatchApi = {
  video(): Promise<Video>;
  play(): Promise<PlayAnswer>;
  renew(sessionId: string): Promise<PlayAnswer>;
  /** Address of a job's event stream; good for one connection. */
  eventsUrl(jobId: string): Promise<string>;
};

/** An answer other than success, or none at all (`status` 0). */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterSeconds: number;

  constructor(status: number, code: string, detail: string, retryAfterSeconds: number) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** A sentence for a person. */
  get detail(): string {
    return this.message;
  }

  /** Trouble that passes: no connection, overload, a video that is playable in a moment. */
  get isPassing(): boolean {
    return (
      this.status === 0 || this.status === 429 || this.status >= 500 || this.code === 'video_not_playable'
    );
  }

  /** The link is used up or was never whole. */
  get isLinkTrouble(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

export function createWatchApi(videoId: string, token: string): WatchApi {
  const video = `/v1/videos/${encodeURIComponent(videoId)}`;
  const call = <T>(method: 'GET' | 'POST', path: string) =>
    withRetries(() => request<T>(method, path, token));
  return {
    video: () => call('GET', video),
    play: () => call('POST', `${video}/play`),
    renew: (sessionId) => call('POST', `/v1/sessions/${encodeURIComponent(sessionId)}/renew`),
    eventsUrl: async (jobId) => {
      const job = `/v1/jobs/${encodeURIComponent(jobId)}`;
      const { ticket } = await request<{ ticket: string }>('POST', `${job}/ticket`, token);
      const url = new URL(`${job}/events?ticket=${encodeURIComponent(ticket)}`, location.href);
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
      return url.href;
    },
  };
}

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function request<T>(method: string, path: string, token: string): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { Authorization: `Bearer ${token}` },
      cache: 'no-store',
    });
  } catch {
    throw new ApiFailure(0, 'unreachable', 'The server cannot be reached.', 1);
  }
  if (response.ok) return (await response.json()) as T;
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  throw new ApiFailure(
    response.status,
    problem.code ?? 'unknown',
    problem.detail ?? `The server answered ${response.status}.`,
    Number(response.headers.get('Retry-After')) || 1,
  );
}

const ATTEMPTS = 8;
const MAX_DELAY_SECONDS = 15;

async function withRetries<T>(attempt: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ApiFailure) || !error.isPassing || failures + 1 === ATTEMPTS) throw error;
      await wait(1000 * Math.min(MAX_DELAY_SECONDS, Math.max(error.retryAfterSeconds, 0.5 * 2 ** failures)));
    }
  }
}

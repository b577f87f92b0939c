// A deployment and a library as a migrator meets them, in memory: as good or as bad as a test wants them.
import { randomUUID } from 'node:crypto';
import type { Job, Video } from '../../shared/api.ts';
import type { MigrationItem, NewMigrationItem } from '../../shared/migration-api.ts';
import { smallMp4 } from './small-mp4.ts';

/** How the attempts of one source end, one after the other; the last goes on for all that follow. */
export type Script = { code?: string; videoChange?: Partial<Video>; totalFrames?: number }[];

export type WorldVideo = {
  id: string;
  jobId: string;
  source: string;
  tags: string[];
  input: Record<string, unknown>;
  end: Script[number];
};

type Answer = { status: number; json?: unknown };

// Port 9 (discard) is closed: what is not asked of `fetch`, such as a WebSocket, fails at once.
export const API_URL = 'http://127.0.0.1:9';
export const LIBRARY_URL = 'http://library.test';

export function createMigrationWorld() {
  const files = new Map<string, Uint8Array>();
  const etags = new Map<string, string>();
  const scripts = new Map<string, Script>();
  const videos = new Map<string, WorldVideo>();
  const items = new Map<string, MigrationItem>();
  const importKeys = new Map<string, { body: string; videoId: string }>();
  /** `METHOD path` of everything, in order. */
  const requests: string[] = [];
  const faults: ((request: string, done: boolean) => void)[] = [];
  const refusals = new Map<string, Answer>();
  let imports = 0;

  const fetch = async (input: URL | RequestInfo, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(String(input));
    const method = init.method ?? 'GET';
    const request = `${method} ${url.pathname}`;
    init.signal?.throwIfAborted();
    requests.push(request);
    if (url.origin === LIBRARY_URL) return sourceAnswer(url, init);
    for (const fault of faults) fault(request, false);
    const { status, json } = apiAnswer(method, url, init);
    for (const fault of faults) fault(request, true);
    return new Response(json === undefined ? null : JSON.stringify(json), { status });
  };

  function sourceAnswer(url: URL, init: RequestInit): Response {
    const bytes = files.get(url.pathname);
    if (!bytes) return new Response(null, { status: 404 });
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init.headers).get('range') ?? '') ?? [];
    const end = Math.min(bytes.length, Number(last) + 1);
    const headers = {
      etag: etags.get(url.pathname) ?? '"one"',
      'content-range': `bytes ${first}-${end - 1}/${bytes.length}`,
    };
    return new Response(bytes.slice(Number(first), end), { status: 206, headers });
  }

  function apiAnswer(method: string, url: URL, init: RequestInit): Answer {
    const path = url.pathname;
    const refusal = refusals.get(`${method} ${path}`);
    if (refusal) return refusal;
    const body = typeof init.body === 'string' ? JSON.parse(init.body) : {};
    if (path === '/v1/migrations') return { status: 200, json: migration(body.name ?? '') };
    if (path === '/v1/imports') return imported(new Headers(init.headers).get('idempotency-key') ?? '', body);
    const [, kind, id = '', rest = ''] = /^\/v1\/(\w+)\/([^/]+)\/?(.*)$/.exec(path) ?? [];
    if (kind === 'migrations') return ledger(method, rest, body, url);
    const video = kind === 'jobs' ? [...videos.values()].find(({ jobId }) => jobId === id) : videos.get(id);
    if (!video) return problem(404, 'not_found');
    if (method === 'DELETE') return { status: videos.delete(id) ? 204 : 404 };
    if (kind === 'jobs') return { status: 200, json: jobOf(video) };
    return { status: 200, json: rest === 'certificate' ? certificateOf(video) : videoOf(video) };
  }

  function imported(key: string, body: { url: string; video: { tags: string[] } }): Answer {
    const text = JSON.stringify(body);
    const before = importKeys.get(key);
    if (before && before.body !== text) return problem(422, 'idempotency_key_reused');
    if (before)
      return { status: 202, json: { videoId: before.videoId, jobId: videos.get(before.videoId)?.jobId } };
    imports += 1;
    const source = new URL(body.url).pathname;
    const script = scripts.get(source) ?? [];
    const end = (script.length > 1 ? script.shift() : script[0]) ?? {};
    const video = {
      id: randomUUID(),
      jobId: randomUUID(),
      source,
      tags: body.video.tags,
      input: body.video,
      end,
    };
    videos.set(video.id, video);
    importKeys.set(key, { body: text, videoId: video.id });
    return { status: 202, json: { videoId: video.id, jobId: video.jobId } };
  }

  function ledger(method: string, rest: string, body: Record<string, never>, url: URL): Answer {
    const [, key = '', made] = /^items\/?([^/]*)\/?(.*)$/.exec(rest) ?? [];
    if (key === '' && method === 'PUT') return { status: 200, json: { items: register(body) } };
    if (made) {
      const tag = `migration:${key}:${url.searchParams.get('attempt')}`;
      const video = [...videos.values()].find(({ tags }) => tags.includes(tag));
      return video
        ? { status: 200, json: { videoId: video.id, jobId: video.jobId } }
        : problem(404, 'not_found');
    }
    const item = items.get(key);
    if (!item) return problem(404, 'not_found');
    const { videoId: _, jobId: __, ...bare } = item;
    const keeps = ['converting', 'done'].includes(String(body.state)) || body.keepsVideo;
    items.set(key, { ...(keeps ? item : bare), ...(body as object) } as MigrationItem);
    return { status: 200, json: items.get(key) };
  }

  function register(body: Record<string, never>): MigrationItem[] {
    const { items: told, again } = body as unknown as { items: NewMigrationItem[]; again: boolean };
    return told.map((one) => {
      const known = items.get(one.key);
      const isOver = known && ['failed', 'rolled_back'].includes(known.state);
      const fresh = { ...one, migrationId: 'm', attempt: known?.attempt ?? 0, updatedAt: '' };
      const item = known && !(again && isOver) ? known : { ...fresh, state: 'pending' as const };
      items.set(one.key, item);
      return item;
    });
  }

  return {
    fetch: fetch as typeof globalThis.fetch,
    ...{ files, etags, scripts, videos, items, requests, refusals },
    /** Called before and after each request of the API; what it throws is what the migrator meets. */
    faults,
    importCount: () => imports,
    /** As a day does. */
    forgetKeys: () => importKeys.clear(),
    addFile(name: string, script: Script = []): string {
      files.set(`/${name}`, smallMp4());
      scripts.set(`/${name}`, script);
      return `${LIBRARY_URL}/${name}`;
    },
  };
}

export function problem(status: number, code: string): Answer {
  return { status, json: { code, detail: `Told to say ${code}.` } };
}

function migration(name: string) {
  const counts = { pending: 0, converting: 0, done: 0, failed: 0, rolled_back: 0 };
  return { id: 'm', name, items: counts, createdAt: '' };
}

function jobOf({ id, jobId, end }: WorldVideo): Job {
  return {
    ...{
      id: jobId,
      videoId: id,
      kind: 'transcode',
      progress: 100,
      stage: 'done',
      timings: {},
      createdAt: '',
    },
    ...{ tasks: { done: 1, total: 1 }, state: end.code === undefined ? 'succeeded' : 'failed' },
    ...(end.code !== undefined && { error: { code: end.code, detail: `It was ${end.code}.` } }),
  };
}

/** Of the small MP4: 50 pictures at 25 a second, no sound. */
function videoOf({ id, tags, end }: WorldVideo): Partial<Video> {
  return {
    ...{
      id,
      ownerId: 'o',
      title: 't',
      kind: 'movie',
      visibility: 'public',
      protection: 'none',
      state: 'ready',
    },
    ...{ regions: [], tags, renditions: [], audio: [], subtitles: [], createdAt: '' },
    ...{ durationSeconds: 2, frameRate: 25, ...end.videoChange },
  };
}

function certificateOf({ jobId, end }: WorldVideo) {
  return { jobId, totalFrames: end.totalFrames ?? 50, checks: [{ name: 'idr-first', count: 50 }] };
}

// What fuzzed requests meet: two owners, callers of every role, and ids of everything that there is by now.
import { env } from 'cloudflare:test';
import type { Role } from '../../shared/api.ts';
import { signJwt } from './api-client.ts';
import type { CallerChoice, IdChoice } from './fuzz-requests.ts';
import { STORED_KEY } from './fuzz-values.ts';
import { shown } from './public-fixtures.ts';

const OWNERS = ['fuzz-owner', 'fuzz-stranger'];
/** Few, so that one thing meets many requests. */
const KEPT_IDS = 8;
const DAY = 86_400;
/** Of which each owner has at least so many to play. */
const SHOWN = 3;

type Kind = string;

/** What the members of answers name, and what the parameters of paths ask for. */
const KIND_OF_MEMBER: Record<string, Kind> = {
  uploadId: 'uploads',
  videoId: 'videos',
  jobId: 'jobs',
  sessionId: 'sessions',
  runId: 'runs',
};
const KIND_OF_PATH: [RegExp, Kind][] = [
  [/^\/v1\/uploads\/\{id\}\/content/, 'single'],
  [/^\/v1\/uploads\/\{id\}\/parts\/\{number\}$/, 'multipart'],
  [/^\/v1\/uploads\/\{id\}\/parts/, 'presigned'],
  [/^\/v1\/tus/, 'tus'],
  [/^\/v1\/videos\/\{id\}\/(play|prewarm|certificate|poster|watch|subtitles)/, 'playable'],
  [/^\/v1\/jobs\/\{id\}\/(retry|cancel)/, 'endable'],
  [/^\/v1\/(uploads|tus)/, 'uploads'],
  [/^\/(v1\/videos|watch)/, 'videos'],
  [/^\/(v1\/jobs|api\/)/, 'jobs'],
  [/^\/v1\/sessions/, 'sessions'],
  [/^\/v1\/viewers/, 'viewers'],
  [/^\/v1\/webhooks/, 'webhooks'],
  [/^\/v1\/api-keys/, 'api-keys'],
  [/^\/v1\/migrations/, 'migrations'],
  [/^\/v1\/recommendations/, 'runs'],
  [/^\/v1\/rooms/, 'rooms'],
];
const FIXED: Record<string, string[]> = {
  viewers: [...OWNERS, 'somebody'],
  number: ['1', '2', '10000'],
  deviceId: ['tv', 'phone'],
  name: ['en', 'nothing'],
  files: ['master.m3u8', 'manifest.mpd', 'nothing'],
  folder: ['movies', 'movies', 'movies', 'videos', 'films'],
  kind: ['movie', 'episode'],
  contentId: ['7', '8'],
  system: ['widevine', 'playready', 'org.w3.clearkey'],
  tokens: ['v1.k1.e30.AAAA'],
  media: ['hls/movies/x/y/master.m3u8'],
};

export class FuzzWorld {
  readonly #ids = new Map<Kind, string[]>();
  readonly #uploadBytes = new Map<string, number>();
  readonly #bearers = new Map<string, string>();
  #shown = 0;

  static async begin(): Promise<FuzzWorld> {
    const world = new FuzzWorld();
    for (const ownerId of OWNERS) {
      for (const role of ['admin', 'uploader', 'viewer'] satisfies Role[]) {
        world.#bearers.set(`${ownerId} ${role}`, await signJwt({ ownerId, role, expiresIn: DAY }));
      }
    }
    await env.MEDIA.put(STORED_KEY, 'a film');
    await env.MEDIA.put('videos/movies/9.mp4', 'a film');
    return world;
  }

  /** Videos to play and jobs to end, again where they have gone. */
  async topUp(): Promise<void> {
    for (const ownerId of OWNERS) {
      for (let count = 0; count < SHOWN; count++) {
        const { id, contentId, jobId } = await shown({ ownerId, contentId: `film-${this.#shown++}` });
        // The stranger's are there to be refused.
        this.learn(ownerId === OWNERS[0] ? 'playable' : 'videos', id);
        this.learn('jobs', jobId);
        this.learn('contents', contentId);
        const jobToEnd = await ledgerJob(id, ownerId, count === 0 ? 'queued' : 'failed');
        if (ownerId === OWNERS[0]) this.learn('endable', jobToEnd);
      }
    }
  }

  bearerOf(caller: CallerChoice, template: string): string | undefined {
    if (caller === 'nobody') return undefined;
    if (caller === 'wrong') return 'rk_0123456789abcdef0123456789abcdef_nothing';
    const [owner, stranger] = OWNERS;
    // Nothing of the playback routes is told by a bearer.
    if (caller === 'right' && /^\/(p|hls|watch)\//.test(template)) return undefined;
    const role = caller === 'right' || caller === 'stranger' ? 'admin' : caller;
    return this.#bearers.get(`${caller === 'stranger' ? stranger : owner} ${role}`);
  }

  learn(kind: Kind, id: string): void {
    const held = this.#ids.get(kind) ?? [];
    if (!held.includes(id)) held.push(id);
    if (held.length > KEPT_IDS) held.shift();
    this.#ids.set(kind, held);
  }

  /** Ids in an answer, wherever they stand. */
  learnFrom(template: string, answer: unknown, sentBytes?: number): void {
    if (typeof answer !== 'object' || answer === null) return;
    for (const [member, value] of Object.entries(answer)) {
      const kind = KIND_OF_MEMBER[member];
      if (typeof value !== 'string') this.learnFrom(template, value);
      else if (kind) this.learn(kind, value);
      else if (member === 'id')
        this.learn(/deliver|\/test/.test(template) ? 'deliveries' : kindAt(template, 'id'), value);
      else if (member === 'name' && template.includes('/subtitles')) this.learn('name', value);
      else if (member === 'key' && template.includes('/items')) this.learn('key', value);
      else if (member === 'hls') this.#learnMedia(value);
    }
    const { uploadId, method } = answer as { uploadId?: unknown; method?: unknown };
    if (typeof uploadId !== 'string') return;
    if (typeof method === 'string') this.learn(method, uploadId);
    if (sentBytes !== undefined) this.#uploadBytes.set(uploadId, sentBytes);
  }

  #learnMedia(url: string): void {
    const [, token, key] = /\/p\/([^/]+)\/(.+)$/.exec(url) ?? [];
    if (token) this.learn('tokens', token);
    if (key) this.learn('media', key);
  }

  idOf(template: string, name: string, choice: IdChoice): string {
    if ('text' in choice) return choice.text;
    const kinds = [...this.#ids.keys()];
    const kind = 'nth' in choice ? kindAt(template, name) : kinds[choice.otherKind % kinds.length]!;
    const all = [...(this.#ids.get(kind) ?? []), ...(FIXED[kind] ?? [])];
    const nth = 'nth' in choice ? choice.nth : choice.otherKind;
    return all[nth % all.length] ?? 'none';
  }

  bytesOf(uploadId: string): number | undefined {
    return this.#uploadBytes.get(uploadId);
  }
}

function kindAt(template: string, name: string): Kind {
  if (template.startsWith('/p/')) return name === 'token' ? 'tokens' : name === 'key' ? 'media' : name;
  if (template.startsWith('/hls/')) return name === 'id' ? 'contents' : name === 'name' ? 'files' : name;
  if (name === 'delivery') return 'deliveries';
  if (name !== 'id') return name;
  return KIND_OF_PATH.find(([pattern]) => pattern.test(template))?.[1] ?? 'videos';
}

/** A job that can be cancelled or tried again. */
async function ledgerJob(videoId: string, ownerId: string, state: 'queued' | 'failed'): Promise<string> {
  const id = crypto.randomUUID();
  const source = await env.MEDIA.put(`sources/${videoId}/file`, 'a film');
  await env.DB.prepare('UPDATE videos SET source_key = ?, source_etag = ?, source_bytes = ? WHERE id = ?')
    .bind(source!.key, source!.etag, source!.size, videoId)
    .run();
  await env.DB.prepare(
    `INSERT INTO jobs (id, video_id, owner_id, kind, state, seq, options, source_key, source_etag, source_bytes, output_prefix)
     SELECT ?1, ?2, ?3, 'transcode', ?4, coalesce(max(seq), 0) + 1, '{}', ?6, ?7, ?8, ?5 FROM jobs WHERE video_id = ?2`,
  )
    .bind(
      id,
      videoId,
      ownerId,
      state,
      `hls/videos/${videoId}/${id}/`,
      source!.key,
      source!.etag,
      source!.size,
    )
    .run();
  return id;
}

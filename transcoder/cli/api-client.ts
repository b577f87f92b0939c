// A typed client of the public API: the schemas of shared/api.ts check every answer, failures carry the
// problem's code. Used by the commands, the demo and the tests.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  CompletedUpload,
  CreatedUpload,
  type CreateUpload,
  Job,
  PresignedPart,
  Ticket,
  UploadedPart,
  UploadStatus,
  Video,
  VideoList,
} from '../../shared/api.ts';
import type { WholeForm } from '../../shared/legacy-api.ts';
import { PlayAnswer, WatchLink } from '../../shared/play-api.ts';
import { parseJson } from './json.ts';

/** A refusal by the API, or by storage behind a presigned URL. */
export class ApiFailure extends Error {
  readonly code: string;
  readonly detail: string;
  readonly status: number;
  /** How long the server asks to wait. */
  readonly retryAfterSeconds: number | undefined;
  readonly isFromStorage: boolean;
  /** The body of this very request did not match its checksum. */
  readonly isBodyDamaged: boolean;

  constructor(
    code: string,
    detail: string,
    status: number,
    {
      retryAfterSeconds,
      isFromStorage = false,
      isBodyDamaged = false,
    }: { retryAfterSeconds?: number; isFromStorage?: boolean; isBodyDamaged?: boolean } = {},
  ) {
    super(`${code}: ${detail}`);
    this.name = 'ApiFailure';
    this.code = code;
    this.detail = detail;
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
    this.isFromStorage = isFromStorage;
    this.isBodyDamaged = isBodyDamaged;
  }
}

/** Nothing moved for so long that the connection must have been cut without a word. */
export class ConnectionStalled extends Error {
  override readonly name = 'ConnectionStalled';
}

/** Longer than any pause of a line that still works, and than storage takes to answer for a part. */
const STALLED_MS = 90_000;

/** A body that is read again from its start on every attempt. */
export type Body = {
  stream: () => ReadableStream<Uint8Array>;
  sizeBytes: number;
  /** In Base64. With it the other side keeps nothing that was damaged on the way. */
  digest?: (algorithm: 'sha256' | 'md5') => Promise<string>;
};

export type ApiClient = ReturnType<typeof createApiClient>;

const PresignedParts = z.object({ parts: z.array(PresignedPart) });

export type ApiClientOptions = {
  /** Ends whatever is under way, with its reason. */
  signal?: AbortSignal | undefined;
  /** Stands between the client and the network, to count or to disturb. */
  fetch?: typeof globalThis.fetch;
};

/** @param baseUrl such as `http://127.0.0.1:8787`; @param token a bearer token */
export function createApiClient(baseUrl: string, token: string, options: ApiClientOptions = {}) {
  const authorization = `Bearer ${token}`;
  const transfer = transferOver(options.fetch ?? globalThis.fetch, options.signal);

  async function send(
    method: string,
    path: string,
    json?: unknown,
    idempotencyKey: string = randomUUID(),
  ): Promise<Response> {
    const headers: Record<string, string> = { authorization };
    if (json !== undefined) headers['content-type'] = 'application/json';
    if (method === 'POST') headers['idempotency-key'] = idempotencyKey;
    const body = json === undefined ? null : JSON.stringify(json);
    return checked(await transfer(new URL(path, baseUrl), { method, headers, body }), 'api');
  }

  async function call<T>(
    schema: z.ZodType<T>,
    method: string,
    path: string,
    json?: unknown,
    idempotencyKey?: string,
  ): Promise<T> {
    return schema.parse(await (await send(method, path, json, idempotencyKey)).json());
  }

  async function put(
    url: URL,
    headers: Record<string, string>,
    body: Body,
    origin: Origin,
  ): Promise<Response> {
    const init = { method: 'PUT', headers: { ...headers, 'content-length': String(body.sizeBytes) } };
    return checked(await transfer(url, init, body), origin, true);
  }

  return {
    baseUrl,
    authorization,
    send,
    call,
    /** @param idempotencyKey asks for the same upload again when the answer got lost */
    createUpload: (input: z.input<typeof CreateUpload>, idempotencyKey?: string) =>
      call(CreatedUpload, 'POST', '/v1/uploads', input, idempotencyKey),
    putContent: async (uploadId: string, body: Body) => {
      const url = new URL(`/v1/uploads/${uploadId}/content`, baseUrl);
      await put(url, { authorization, ...(await contentDigest(body)) }, body, 'api');
    },
    putPart: async (uploadId: string, number: number, body: Body) => {
      const url = new URL(`/v1/uploads/${uploadId}/parts/${number}`, baseUrl);
      const response = await put(url, { authorization, ...(await contentDigest(body)) }, body, 'api');
      return UploadedPart.parse(await response.json());
    },
    presignParts: async (uploadId: string, numbers: number[]) =>
      (await call(PresignedParts, 'POST', `/v1/uploads/${uploadId}/parts`, { numbers })).parts,
    /** Puts a part straight to storage and answers its etag. */
    putPresigned: async (part: PresignedPart, body: Body): Promise<string> => {
      const headers = { ...part.headers, ...(await contentMd5(body)) };
      const response = await put(new URL(part.url), headers, body, 'storage');
      await response.body?.cancel();
      const etag = response.headers.get('etag');
      if (!etag)
        throw new ApiFailure('storage_no_etag', 'Storage answered a part without an ETag.', response.status);
      return etag;
    },
    reportPart: async (uploadId: string, number: number, etag: string) => {
      await send('PUT', `/v1/uploads/${uploadId}/parts/${number}/etag`, { etag });
    },
    upload: (uploadId: string) => call(UploadStatus, 'GET', `/v1/uploads/${uploadId}`),
    /** What the form of an upload turned out to hold. */
    settleForm: async (uploadId: string, form: WholeForm) => {
      await send('PUT', `/v1/uploads/${uploadId}/form`, form);
    },
    completeUpload: (uploadId: string) =>
      call(CompletedUpload, 'POST', `/v1/uploads/${uploadId}/complete`, {}),
    abortUpload: async (uploadId: string) => {
      await send('DELETE', `/v1/uploads/${uploadId}`);
    },
    video: (videoId: string) => call(Video, 'GET', `/v1/videos/${videoId}`),
    videos: (query = '') => call(VideoList, 'GET', `/v1/videos${query}`),
    job: (jobId: string) => call(Job, 'GET', `/v1/jobs/${jobId}`),
    jobTicket: (jobId: string) => call(Ticket, 'POST', `/v1/jobs/${jobId}/ticket`, {}),
    play: (videoId: string) => call(PlayAnswer, 'POST', `/v1/videos/${videoId}/play`, {}),
    watchLink: (videoId: string) => call(WatchLink, 'POST', `/v1/videos/${videoId}/watch-link`, {}),
  };
}

/** RFC 9530, for the API. */
async function contentDigest({ digest }: Body): Promise<Record<string, string>> {
  return digest ? { 'content-digest': `sha-256=:${await digest('sha256')}:` } : {};
}

/** What S3 and R2 check of a part. https://developers.cloudflare.com/r2/api/s3/api/ */
async function contentMd5({ digest }: Body): Promise<Record<string, string>> {
  return digest ? { 'content-md5': await digest('md5') } : {};
}

/** fetch that gives up on a connection over which nothing moves any more. */
function transferOver(fetch: typeof globalThis.fetch, signal: AbortSignal | undefined) {
  return async (url: URL, init: RequestInit, body?: Body): Promise<Response> => {
    const stalling = new AbortController();
    const stall = () => stalling.abort(new ConnectionStalled('Nothing has moved for a while.'));
    const timer = setTimeout(stall, STALLED_MS);
    const watched = body && { body: body.stream().pipeThrough(touching(timer)), duplex: 'half' };
    const ends = signal ? AbortSignal.any([signal, stalling.signal]) : stalling.signal;
    try {
      return await fetch(url, { ...init, ...watched, signal: ends } as RequestInit);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** Begins the timer anew with every chunk that passes. */
function touching(timer: NodeJS.Timeout): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform: (chunk, controller) => {
      timer.refresh();
      controller.enqueue(chunk);
    },
  });
}

type Origin = 'api' | 'storage';

const DAMAGED_BODY_CODES = ['upload_checksum_mismatch', 'BadDigest'];

async function checked(response: Response, origin: Origin, hasFileBody = false): Promise<Response> {
  if (response.ok) return response;
  const { status } = response;
  const text = await response.text();
  const { code, detail } = reasonIn(text);
  const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN);
  throw new ApiFailure(code ?? `http_${status}`, detail ?? `The server answered ${status}.`, status, {
    isFromStorage: origin === 'storage',
    isBodyDamaged: hasFileBody && DAMAGED_BODY_CODES.includes(code ?? ''),
    ...(Number.isFinite(retryAfter) && { retryAfterSeconds: retryAfter }),
  });
}

function reasonIn(text: string): { code?: string | undefined; detail?: string | undefined } {
  const problem = Problem.safeParse(parseJson(text));
  if (problem.success) return problem.data;
  // Storage answers in XML: <Error><Code>…</Code><Message>…</Message></Error>.
  return {
    code: /<Code>([^<]+)<\/Code>/.exec(text)?.[1],
    detail: /<Message>([^<]+)<\/Message>/.exec(text)?.[1],
  };
}

const Problem = z.object({ code: z.string(), detail: z.string() });

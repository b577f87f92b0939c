// A typed client of the public API: the schemas of shared/api.ts check every answer, failures carry the
// problem's code. Used by the commands, the demo and the tests.
import { z } from 'zod';
import {
  CompletedUpload,
  CreatedUpload,
  type CreateUpload,
  Job,
  PlayAnswer,
  PresignedPart,
  Ticket,
  UploadedPart,
  UploadStatus,
  Video,
  VideoList,
  WatchLink,
} from '../../shared/api.ts';
import { parseJson } from './json.ts';

/** A refusal by the API, or by storage behind a presigned URL. */
export class ApiFailure extends Error {
  readonly code: string;
  readonly detail: string;
  readonly status: number;

  constructor(code: string, detail: string, status: number) {
    super(`${code}: ${detail}`);
    this.name = 'ApiFailure';
    this.code = code;
    this.detail = detail;
    this.status = status;
  }
}

/** A body that is read again from its start on every attempt. */
export type Body = { stream: () => ReadableStream<Uint8Array>; sizeBytes: number };

export type ApiClient = ReturnType<typeof createApiClient>;

const PresignedParts = z.object({ parts: z.array(PresignedPart) });

/** @param baseUrl such as `http://127.0.0.1:8787`; @param token a bearer token */
export function createApiClient(baseUrl: string, token: string) {
  const authorization = `Bearer ${token}`;

  async function send(method: string, path: string, json?: unknown): Promise<Response> {
    const headers: Record<string, string> = { authorization };
    if (json !== undefined) headers['content-type'] = 'application/json';
    const body = json === undefined ? null : JSON.stringify(json);
    return checked(await fetch(new URL(path, baseUrl), { method, headers, body }));
  }

  async function call<T>(schema: z.ZodType<T>, method: string, path: string, json?: unknown): Promise<T> {
    return schema.parse(await (await send(method, path, json)).json());
  }

  return {
    baseUrl,
    authorization,
    createUpload: (input: z.input<typeof CreateUpload>) => call(CreatedUpload, 'POST', '/v1/uploads', input),
    putContent: (uploadId: string, body: Body) =>
      put(new URL(`/v1/uploads/${uploadId}/content`, baseUrl), { authorization }, body),
    putPart: async (uploadId: string, number: number, body: Body) => {
      const response = await put(
        new URL(`/v1/uploads/${uploadId}/parts/${number}`, baseUrl),
        { authorization },
        body,
      );
      return UploadedPart.parse(await response.json());
    },
    presignParts: async (uploadId: string, numbers: number[]) =>
      (await call(PresignedParts, 'POST', `/v1/uploads/${uploadId}/parts`, { numbers })).parts,
    /** Puts a part straight to storage and answers its etag. */
    putPresigned: async (part: PresignedPart, body: Body): Promise<string> => {
      const response = await put(new URL(part.url), part.headers, body);
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

async function put(url: URL, headers: Record<string, string>, body: Body): Promise<Response> {
  const init = {
    method: 'PUT',
    headers: { ...headers, 'content-length': String(body.sizeBytes) },
    body: body.stream(),
    duplex: 'half',
  };
  return checked(await fetch(url, init as RequestInit));
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const text = await response.text();
  const problem = Problem.safeParse(parseJson(text));
  if (problem.success) throw new ApiFailure(problem.data.code, problem.data.detail, response.status);
  // Storage answers in XML: <Error><Code>…</Code><Message>…</Message></Error>.
  const [, code] = /<Code>([^<]+)<\/Code>/.exec(text) ?? [];
  const [, message] = /<Message>([^<]+)<\/Message>/.exec(text) ?? [];
  throw new ApiFailure(
    code ?? `http_${response.status}`,
    message ?? `The server answered ${response.status}.`,
    response.status,
  );
}

const Problem = z.object({ code: z.string(), detail: z.string() });

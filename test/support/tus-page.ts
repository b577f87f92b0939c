// A page on loopback with upload clients in it, and what such a page has behind it: for Uppy's S3 plugin, which
// wants S3's own words for opening, listing and completing, a back end that says them with Reelay's API.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'vite';
import { type Api, apiAt, type Json } from './api.ts';

export type UploadPage = Awaited<ReturnType<typeof serveUploadPage>>;

/** @param file what the page finds at /file, to upload */
export async function serveUploadPage(file: Uint8Array) {
  const script = await bundled('test/support/tus-page-clients.ts');
  let api: Api | undefined;
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://page');
    if (url.pathname === '/clients.js') {
      response.setHeader('content-type', 'text/javascript');
      response.end(script);
    } else if (url.pathname === '/file') {
      response.end(file);
    } else if (url.pathname === '/s3' && api) {
      const answer = await s3Words(api, request, url);
      response.setHeader('content-type', 'application/xml');
      response.end(answer);
    } else {
      response.setHeader('content-type', 'text/html');
      response.end(
        '<!doctype html><meta charset="utf-8"><title>upload</title><script src="/clients.js"></script>',
      );
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    connect: (at: string, token: string) => {
      api = apiAt(at, token);
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

async function bundled(entry: string): Promise<string> {
  const output = await build({
    configFile: false,
    logLevel: 'silent',
    build: { write: false, minify: false, lib: { entry, formats: ['iife'], name: 'clients' } },
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  const [result] = [output].flat() as { output: { code: string }[] }[];
  return result!.output[0]!.code;
}

/** POST ?uploads, GET ?uploadId, POST ?uploadId: S3's multipart API as far as a client needs it. */
async function s3Words(api: Api, request: IncomingMessage, url: URL): Promise<string> {
  const uploadId = url.searchParams.get('uploadId');
  if (uploadId === null) {
    const json = {
      filename: 'by-uppy.mp4',
      sizeBytes: Number(url.searchParams.get('size')),
      method: 'presigned',
    };
    const created = await api.call('/v1/uploads', { method: 'POST', json });
    return `<InitiateMultipartUploadResult><UploadId>${created.uploadId}</UploadId></InitiateMultipartUploadResult>`;
  }
  if (request.method === 'GET') {
    const { parts } = await api.call(`/v1/uploads/${uploadId}`);
    const list = (parts as Json[]).map(
      ({ number, etag, sizeBytes }) =>
        `<Part><PartNumber>${number}</PartNumber><ETag>"${etag}"</ETag><Size>${sizeBytes}</Size></Part>`,
    );
    return `<ListPartsResult>${list.join('')}</ListPartsResult>`;
  }
  let xml = '';
  for await (const piece of request) xml += piece;
  const parts = [...xml.matchAll(/<PartNumber>(\d+)<\/PartNumber>\s*<ETag>(.*?)<\/ETag>/g)].map(
    ([, number, etag]) => ({ number: Number(number), etag: etag!.replaceAll(/&quot;|"/g, '') }),
  );
  await api.call(`/v1/uploads/${uploadId}/complete`, { method: 'POST', json: { parts } });
  return '<CompleteMultipartUploadResult><Location>reelay</Location><Key>any</Key></CompleteMultipartUploadResult>';
}

/** Functions of the page: strings, so that no bundler or type of this side touches them. Each gives the video's id
 * and what it asked for, as `[method, status, offset]`. */
export const UPLOADS = {
  'tus-js-client': `(async ({ api, token, chunkSize, pauseAt }) => {
    const data = await (await fetch('/file')).blob();
    const log = [];
    let videoId;
    let isPaused = false;
    await new Promise((resolve, reject) => {
      const upload = new tus.Upload(data, {
        endpoint: api + '/v1/tus',
        chunkSize,
        headers: { Authorization: 'Bearer ' + token },
        metadata: { filename: 'by-tus-js-client.mp4', title: 'By tus-js-client' },
        retryDelays: [0, 300, 1000, 3000, 10000],
        onError: reject,
        onSuccess: resolve,
        onAfterResponse: (request, response) => {
          videoId = response.getHeader('Reelay-Video-Id') ?? videoId;
          log.push([request.getMethod(), response.getStatus(), response.getHeader('Upload-Offset')]);
        },
        onProgress: (sent) => {
          if (isPaused || sent < pauseAt) return;
          isPaused = true;
          upload.abort().then(() => setTimeout(() => upload.start(), 100));
        },
      });
      upload.start();
    });
    return { videoId, log };
  })`,
  '@uppy/tus': `(async ({ api, token, chunkSize, pauseAt }) => {
    const data = await (await fetch('/file')).blob();
    const log = [];
    let videoId;
    let isPaused = false;
    const uppy = new Uppy({ autoProceed: false });
    uppy.use(Tus, {
      endpoint: api + '/v1/tus',
      chunkSize,
      headers: { Authorization: 'Bearer ' + token },
      retryDelays: [0, 300, 1000, 3000, 10000],
      onAfterResponse: (request, response) => {
        videoId = response.getHeader('Reelay-Video-Id') ?? videoId;
        log.push([request.getMethod(), response.getStatus(), response.getHeader('Upload-Offset')]);
      },
    });
    uppy.on('upload-progress', (file, { bytesUploaded }) => {
      if (isPaused || bytesUploaded < pauseAt) return;
      isPaused = true;
      uppy.pauseAll();
      setTimeout(() => uppy.resumeAll(), 100);
    });
    uppy.addFile({ name: 'by-uppy.mp4', type: 'video/mp4', data });
    const { failed } = await uppy.upload();
    if (failed.length > 0) throw new Error(failed[0].error);
    return { videoId, log };
  })`,
  '@uppy/aws-s3': `(async ({ api, token, chunkSize, pauseAt }) => {
    const data = await (await fetch('/file')).blob();
    const log = [];
    let uploadId;
    let isPaused = false;
    const ask = async (method, path, json) => {
      const headers = { Authorization: 'Bearer ' + token, 'Content-Type': 'application/json' };
      const answer = await fetch(api + path, { method, headers, body: json && JSON.stringify(json) });
      if (!answer.ok) throw new Error(method + ' ' + path + ': ' + answer.status + ' ' + await answer.text());
      return answer.status === 204 ? undefined : answer.json();
    };
    const uppy = new Uppy({ autoProceed: false });
    uppy.use(AwsS3, {
      shouldUseMultipart: true,
      getChunkSize: () => chunkSize,
      signRequest: async (request) => {
        uploadId = request.uploadId ?? uploadId;
        log.push([request.method, request.partNumber ?? null, null]);
        if (request.method === 'PUT') {
          const path = '/v1/uploads/' + request.uploadId + '/parts';
          const { parts } = await ask('POST', path, { numbers: [request.partNumber] });
          return { url: parts[0].url };
        }
        const query = new URLSearchParams({ size: data.size, ...(request.uploadId && { uploadId: request.uploadId }) });
        return { url: location.origin + '/s3?' + query };
      },
    });
    uppy.on('s3-multipart:part-uploaded', async (file, part) => {
      await ask('PUT', '/v1/uploads/' + uploadId + '/parts/' + part.PartNumber + '/etag', { etag: part.ETag });
    });
    uppy.on('upload-progress', (file, { bytesUploaded }) => {
      if (isPaused || bytesUploaded < pauseAt) return;
      isPaused = true;
      uppy.pauseAll();
      setTimeout(() => uppy.resumeAll(), 300);
    });
    uppy.addFile({ name: 'by-uppy.mp4', type: 'video/mp4', data });
    const { failed } = await uppy.upload();
    if (failed.length > 0) throw new Error(failed[0].error);
    const { videoId } = await ask('GET', '/v1/uploads/' + uploadId);
    return { videoId, log };
  })`,
} as const;

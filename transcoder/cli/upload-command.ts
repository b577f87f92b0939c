// `reelay upload FILE…`
import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { UploadMethod, VideoInput } from '../../shared/api.ts';
import { type ApiClient, createApiClient } from './api-client.ts';
import { failureOf } from './failure.ts';
import { localHome, mintToken, readLocalSecrets, readLocalUrl } from './local-stack.ts';
import { playRows, showUpload } from './show-upload.ts';
import { mayPass, UploadInterrupted, type UploadRequest } from './upload-file.ts';
import { UsageError } from './usage.ts';

/** Uploads one file after the other. @returns the exit code: 1 when any file failed */
export async function uploadCommand(args: string[]): Promise<number> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      kind: { type: 'string' },
      'content-id': { type: 'string' },
      title: { type: 'string' },
      method: { type: 'string', default: 'auto' },
      resume: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  if (positionals.length === 0) throw new UsageError('upload needs at least one file');
  if (values['content-id'] && positionals.length > 1)
    throw new UsageError('--content-id names a single file');
  const video = VideoInput.safeParse({
    kind: values.kind,
    contentId: values['content-id'],
    title: values.title,
  });
  if (!video.success) throw new UsageError(video.error.issues.map(({ message }) => message).join('; '));
  const method = Method.safeParse(values.method);
  if (!method.success) throw new UsageError('--method is one of auto, single, multipart, presigned');

  const client = await connect();
  let exitCode = 0;
  for (const path of positionals) {
    const request = { path, method: method.data, video: video.data, resumeUploadId: values.resume };
    if (!(await uploadOne(client, request, values.json))) exitCode = 1;
  }
  return exitCode;
}

const Method = z.union([UploadMethod, z.literal('auto')]);

/** `REELAY_URL` and `REELAY_TOKEN` point at a deployment; without them the local stack is meant. */
async function connect(): Promise<ApiClient> {
  const home = localHome();
  const url = process.env.REELAY_URL ?? (await readLocalUrl(home));
  if (!url)
    throw new UsageError('there is no local stack; run npm start, or set REELAY_URL and REELAY_TOKEN');
  if (process.env.REELAY_TOKEN) return createApiClient(url, process.env.REELAY_TOKEN);
  const secrets = process.env.REELAY_URL ? undefined : await readLocalSecrets(home);
  if (!secrets) throw new UsageError('set REELAY_TOKEN to a bearer token of that deployment');
  return createApiClient(url, mintToken(secrets, 'admin', 'local'));
}

async function uploadOne(client: ApiClient, request: UploadRequest, isJson: boolean): Promise<boolean> {
  if (!isJson) console.log(request.path);
  try {
    const { size } = await stat(request.path);
    const shown = await showUpload(client, { ...request, sizeBytes: size }, { isQuiet: isJson });
    const { upload, play, watch } = shown;
    if (isJson) {
      const ids = { uploadId: upload.uploadId, videoId: upload.videoId, jobId: upload.jobId };
      const urls = { hls: play.hls, dash: play.dash, poster: play.poster, watch: watch.url };
      console.log(JSON.stringify({ file: request.path, ok: true, method: upload.method, ...ids, ...urls }));
    } else {
      console.log(playRows(shown).join('\n'));
    }
    return true;
  } catch (error) {
    const uploadId = error instanceof UploadInterrupted && mayPass(error.cause) ? error.uploadId : undefined;
    const failure = failureOf(error);
    if (isJson) console.log(JSON.stringify({ file: request.path, ok: false, uploadId, error: failure }));
    else console.error(`${failure.code}: ${failure.detail}`);
    if (!isJson && uploadId) console.error(`resume with: reelay upload ${request.path} --resume ${uploadId}`);
    return false;
  }
}

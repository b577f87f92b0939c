// `reelay upload FILE…`
import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { CreateUpload, VideoInput } from '../../shared/api.ts';
import type { ApiClient } from './api-client.ts';
import { connect } from './connect.ts';
import { failureOf } from './failure.ts';
import { Interrupted, onInterruption } from './interruption.ts';
import { playRows, showUpload } from './show-upload.ts';
import { UploadInterrupted, type UploadRequest } from './upload-file.ts';
import { journalOf, removeForgottenJournals, stateFolder } from './upload-journal.ts';
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
      fresh: { type: 'boolean', default: false },
      parallel: { type: 'string', default: '4' },
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
  const method = CreateUpload.shape.method.safeParse(values.method);
  if (!method.success) throw new UsageError('--method is one of auto, single, multipart, presigned');

  const parallelParts = Parallel.safeParse(values.parallel);
  if (!parallelParts.success) throw new UsageError('--parallel is a number from 1 to 16');

  using interruption = onInterruption();
  const { signal } = interruption;
  const client = await connect(signal);
  const folder = stateFolder();
  await removeForgottenJournals(folder);
  let exitCode = 0;
  for (const path of positionals) {
    const options = { method: method.data, video: video.data };
    // A named upload is the person's own business.
    const journal = values.resume ? undefined : journalOf(folder, client.baseUrl, path, options);
    if (values.fresh) await journal?.remove();
    const request = { path, ...options, ...{ journal, parallelParts: parallelParts.data } };
    const outcome = await uploadOne(
      client,
      { ...request, resumeUploadId: values.resume },
      values.json,
      signal,
    );
    if (signal.reason instanceof Interrupted) return signal.reason.exitCode;
    if (outcome === 'failed') exitCode = 1;
  }
  return exitCode;
}

const Parallel = z.coerce.number().int().min(1).max(16);

async function uploadOne(
  client: ApiClient,
  request: UploadRequest,
  isJson: boolean,
  signal: AbortSignal,
): Promise<'done' | 'failed'> {
  if (!isJson) console.log(request.path);
  try {
    const { size } = await stat(request.path);
    const shown = await showUpload(client, { ...request, sizeBytes: size }, { isQuiet: isJson, signal });
    const { upload, play, watch } = shown;
    if (isJson) {
      const ids = { uploadId: upload.uploadId, videoId: upload.videoId, jobId: upload.jobId };
      const urls = { hls: play.hls, dash: play.dash, poster: play.poster, watch: watch.url };
      console.log(JSON.stringify({ file: request.path, ok: true, method: upload.method, ...ids, ...urls }));
    } else {
      console.log(playRows(shown).join('\n'));
    }
    return 'done';
  } catch (error) {
    const failure = failureOf(error);
    const uploadId = error instanceof UploadInterrupted && error.isResumable ? error.uploadId : undefined;
    if (isJson) console.log(JSON.stringify({ file: request.path, ok: false, uploadId, error: failure }));
    else console.error([`${failure.code}: ${failure.detail}`, ...wayOn(error, uploadId, request)].join('\n'));
    return 'failed';
  }
}

/** How to go on after what happened, where there is a way. */
function wayOn(error: unknown, uploadId: string | undefined, { journal }: UploadRequest): string[] {
  if (uploadId) {
    return journal
      ? ['What has arrived is kept. Run the same command again to go on from there.']
      : [`What has arrived is kept. Go on with --resume ${uploadId}.`];
  }
  const isAfterUpload = error instanceof Interrupted;
  return isAfterUpload && journal ? ['Run the same command again to go on.'] : [];
}

// The conformance certificate of what is published: the transcoder wrote it, and it is handed on as it stands.
import { AppError } from '../../shared/errors.ts';
import { CERTIFICATE } from '../../shared/object-keys.ts';
import { getObject, hasBody } from '../r2.ts';
import type { VideoRow } from './store.ts';

/** @throws AppError not_found while nothing of the video is published. */
export async function certificateResponse(bucket: R2Bucket, video: VideoRow): Promise<Response> {
  const object = video.output_prefix && (await getObject(bucket, video.output_prefix + CERTIFICATE));
  if (!object || !hasBody(object)) {
    throw new AppError('not_found', { detail: 'Nothing of this video is published yet.' });
  }
  return new Response(object.body, {
    headers: {
      'Content-Type': 'application/json',
      'Content-Length': String(object.size),
      'Cache-Control': 'private, no-cache',
      ETag: object.httpEtag,
    },
  });
}

// The poster of a video for whoever may see it in the library: no session is begun for a picture.
import { AppError } from '../../shared/errors.ts';
import { contentTypeOf, POSTER } from '../../shared/object-keys.ts';
import { getObject, hasBody } from '../r2.ts';
import type { VideoRow } from './store.ts';

const HOUR_SECONDS = 3600;

/** @throws AppError not_found where nothing is published, or nothing that has a picture. */
export async function posterResponse(bucket: R2Bucket, video: VideoRow): Promise<Response> {
  const object = video.output_prefix && (await getObject(bucket, video.output_prefix + POSTER));
  if (!object || !hasBody(object)) {
    throw new AppError('not_found', { detail: 'This video has no poster.' });
  }
  return new Response(object.body, {
    headers: {
      'Content-Type': contentTypeOf(POSTER) ?? 'application/octet-stream',
      'Content-Length': String(object.size),
      'Cache-Control': `private, max-age=${HOUR_SECONDS}`,
      Vary: 'Authorization',
      ETag: object.httpEtag,
    },
  });
}

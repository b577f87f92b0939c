// The original file, for those who own it. It is foreign bytes: always a download, never something a browser
// would interpret.
import { AppError } from '../../shared/errors.ts';
import { getObject, hasBody } from '../r2.ts';
import type { VideoRow } from './store.ts';

/** @throws AppError `video_busy` while there is no source, `source_changed` when it is not the accepted one. */
export async function sourceResponse(
  bucket: R2Bucket,
  video: VideoRow,
  filename: string | undefined,
): Promise<Response> {
  if (!video.source_key || !video.source_etag) {
    throw new AppError('video_busy', { detail: 'The video has no stored source.' });
  }
  const object = await getObject(bucket, video.source_key, { onlyIf: { etagMatches: video.source_etag } });
  if (!object) throw new AppError('not_found', { detail: 'The source is no longer stored.' });
  if (!hasBody(object)) throw new AppError('source_changed');
  return new Response(object.body, {
    headers: {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(object.size),
      'Content-Disposition': attachment(filename ?? video.id),
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'private, no-store',
      'Accept-Ranges': 'none',
      ETag: object.httpEtag,
    },
  });
}

/** RFC 6266: a plain name for old clients, the real one in UTF-8 (RFC 8187). */
function attachment(filename: string): string {
  const name = filename.split(/[\\/]/).at(-1) || 'source';
  const plain = name.replace(/[^A-Za-z0-9._ -]/g, '_');
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`;
}

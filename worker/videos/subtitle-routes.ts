// /v1/videos/:id/subtitles: text that an owner adds to a video, before or after it is published.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { MIB } from '../../shared/limits.ts';
import { errorFields } from '../../shared/log.ts';
import { subtitleSourceKey } from '../../shared/object-keys.ts';
import { subtitleLabel } from '../../shared/plan-text.ts';
import { type SubtitleInfo, SubtitleQuery } from '../../shared/subtitle-api.ts';
import { decodeText } from '../../shared/text-decoding.ts';
import { parseSubtitles, writeWebVtt } from '../../shared/webvtt.ts';
import { requires } from '../http/auth.ts';
import { readBytes, validated } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { idempotent, newId } from '../http/idempotency.ts';
import { reviseManifests } from '../jobs/manifest-revision.ts';
import { withR2Retries } from '../r2.ts';
import { renderVideo } from './render.ts';
import { noSuchVideo, type VideoRow, videoOf } from './store.ts';
import {
  deleteSubtitle,
  insertSubtitle,
  renderSubtitle,
  subtitleById,
  subtitlesOf,
} from './subtitle-store.ts';

const MAX_TEXT_BYTES = 2 * MIB;

export function subtitleRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.get('/v1/videos/:id/subtitles', requires('uploader', 'viewer'), async (c) => {
    return c.json({ subtitles: await listed(c, await ownVideo(c, c.req.param('id'))) });
  });

  app.post('/v1/videos/:id/subtitles', requires('uploader'), idempotent(added), async (c) => {
    const video = await ownVideo(c, c.req.param('id'));
    const query = validated(SubtitleQuery, c.req.query());
    const vtt = await normalized(await readBytes(c.req.raw, MAX_TEXT_BYTES));
    const id = newId(c);
    const objectKey = subtitleSourceKey(video.id, id);
    await withR2Retries(() =>
      c.env.MEDIA.put(objectKey, vtt, { httpMetadata: { contentType: 'text/vtt; charset=utf-8' } }),
    );
    const flags = { isDefault: query.default, isForced: query.forced, isCaptions: query.captions };
    try {
      await insertSubtitle(c.env.DB, {
        ...{ id, videoId: video.id, objectKey, language: query.language, ...flags },
        label: query.label ?? subtitleLabel(query.language, flags),
      });
    } catch (error) {
      if (error instanceof AppError) await withR2Retries(() => c.env.MEDIA.delete(objectKey));
      throw error;
    }
    c.var.log.info('subtitles.added', { videoId: video.id, language: query.language });
    await revise(c, video.id);
    return added(c, id);
  });

  app.delete('/v1/videos/:id/subtitles/:name', requires('uploader'), async (c) => {
    const video = await ownVideo(c, c.req.param('id'));
    const name = c.req.param('name');
    const objectKey = await deleteSubtitle(c.env.DB, video.id, name);
    if (objectKey === undefined) {
      const isOfFile = (await listed(c, video)).some((track) => track.name === name);
      if (isOfFile) throw new AppError('subtitles_of_file');
      throw new AppError('not_found', { detail: 'The video has no such subtitles.' });
    }
    c.var.log.info('subtitles.deleted', { videoId: video.id, name });
    await revise(c, video.id);
    c.executionCtx.waitUntil(withR2Retries(() => c.env.MEDIA.delete(objectKey)));
    return c.body(null, 204);
  });

  return app;
}

/** As WebVTT, so that nothing a stranger wrote is ever stored as it came. */
async function normalized(bytes: Uint8Array): Promise<string> {
  if (bytes.byteLength === 0) throw new AppError('subtitles_invalid', { detail: 'The body is empty.' });
  const vtt = writeWebVtt(parseSubtitles(decodeText(bytes)), Number.POSITIVE_INFINITY);
  if (vtt === undefined) throw new AppError('subtitles_invalid', { detail: 'No cue has any text.' });
  return vtt;
}

/** The subtitles are stored; should their manifests fail, the sweeper writes them within a minute. */
async function revise(c: Context<AppEnv>, videoId: string): Promise<void> {
  try {
    await reviseManifests(c.env, videoId);
  } catch (error) {
    c.var.log.error('subtitles.revision_failed', { videoId, ...errorFields(error) });
  }
}

async function added(c: Context<AppEnv>, id: string): Promise<Response> {
  const row = await subtitleById(c.env.DB, id);
  if (!row) throw new AppError('not_found', { detail: 'These subtitles have been deleted.' });
  return c.json(renderSubtitle(row), 201);
}

async function listed(c: Context<AppEnv>, video: VideoRow): Promise<SubtitleInfo[]> {
  const uploaded = (await subtitlesOf(c.env.DB, [video.id])).get(video.id);
  return renderVideo(video, undefined, uploaded).subtitles;
}

function ownVideo(c: Context<AppEnv>, id: string): Promise<VideoRow> {
  const { caller } = c.var;
  if (caller.onlyVideoId !== undefined && caller.onlyVideoId !== id) throw noSuchVideo();
  return videoOf(c.env.DB, id, caller.ownerId);
}

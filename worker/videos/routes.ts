// /v1/videos: an owner's library.
import { type Context, Hono } from 'hono';
import { TranscodeRequest, type Video, type VideoList, VideoPatch, VideoQuery } from '../../shared/api.ts';
import { pageOf, placeIn } from '../../shared/page-cursor.ts';
import { requires } from '../http/auth.ts';
import { jsonBody, validated } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { idempotent, newId } from '../http/idempotency.ts';
import { acceptedAnswer } from '../jobs/accepted-answer.ts';
import { drainOutbox } from '../jobs/outbox.ts';
import { plannedVideo, renderJob } from '../jobs/render.ts';
import { liveProgress } from '../jobs/room-client.ts';
import { latestJobOf, latestJobsOf } from '../jobs/store.ts';
import { certificateResponse } from './certificate.ts';
import { deleteVideo } from './delete.ts';
import { posterResponse } from './poster.ts';
import { publicUrls } from './public-urls.ts';
import { renderVideo } from './render.ts';
import { sourceResponse } from './source.ts';
import { listVideos, noSuchVideo, sourceFilename, updateVideo, type VideoRow, videoOf } from './store.ts';
import { subtitlesOf } from './subtitle-store.ts';
import { transcodeAgain } from './transcode.ts';

export function videoRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  const mayRead = requires('uploader', 'viewer');
  const mayManage = requires('uploader');

  app.get('/v1/videos', mayRead, async (c) => {
    const { limit, cursor, state, kind, q } = validated(VideoQuery, c.req.query());
    const filter = { state, kind, q, after: placeIn(cursor) };
    // One row more than asked tells whether there is a next page.
    const rows = await listVideos(c.env.DB, c.var.caller.ownerId, { ...filter, limit: limit + 1 });
    const { page, next } = pageOf(rows, limit);
    // As the ledger has them: the rooms of a hundred jobs are not asked for one page.
    const ids = page.map((row) => row.id);
    const [jobs, subtitles] = await Promise.all([latestJobsOf(c.env.DB, ids), subtitlesOf(c.env.DB, ids)]);
    const rendered = (row: VideoRow) => {
      const job = jobs.get(row.id);
      const video = renderVideo(row, job && renderJob(job), subtitles.get(row.id), job && plannedVideo(job));
      return { ...video, ...publicUrls(row, new URL(c.req.url).origin) };
    };
    const list: VideoList = { videos: page.map(rendered), ...next };
    return c.json(list);
  });

  app.get('/v1/videos/:id', mayRead, async (c) => c.json(await withJob(c, await ownVideo(c))));

  app.patch('/v1/videos/:id', mayManage, async (c) => {
    const patch = await jsonBody(c, VideoPatch);
    const row = await updateVideo(c.env.DB, c.req.param('id'), c.var.caller.ownerId, patch);
    return c.json(await withJob(c, row));
  });

  app.delete('/v1/videos/:id', mayManage, async (c) => {
    const id = c.req.param('id');
    await deleteVideo(c.env, id, c.var.caller.ownerId, c.var.log, (work) => c.executionCtx.waitUntil(work));
    return c.body(null, 204);
  });

  app.get('/v1/videos/:id/source', mayManage, async (c) => {
    const video = await ownVideo(c);
    const response = await sourceResponse(c.env.MEDIA, video, await sourceFilename(c.env.DB, video));
    if (c.req.method !== 'HEAD') return response;
    // Left to itself the body would be dropped unread, and R2 would go on sending it.
    await response.body?.cancel();
    return new Response(null, response);
  });

  app.get('/v1/videos/:id/poster', mayRead, async (c) => posterResponse(c.env.MEDIA, await ownVideo(c)));

  app.get('/v1/videos/:id/certificate', mayRead, async (c) =>
    certificateResponse(c.env.MEDIA, await ownVideo(c)),
  );

  app.post('/v1/videos/:id/transcode', mayManage, idempotent(acceptedAnswer), async (c) => {
    const request = await jsonBody(c, TranscodeRequest);
    const jobId = newId(c);
    await transcodeAgain(c.env.DB, c.var.config, await ownVideo(c), request, jobId, c.var.caller.traceparent);
    c.executionCtx.waitUntil(drainOutbox(c.env, c.var.log));
    return acceptedAnswer(c, jobId);
  });

  return app;
}

function ownVideo(c: Context<AppEnv, '/v1/videos/:id'>): Promise<VideoRow> {
  const { caller } = c.var;
  const id = c.req.param('id');
  if (caller.onlyVideoId !== undefined && caller.onlyVideoId !== id) throw noSuchVideo();
  return videoOf(c.env.DB, id, caller.ownerId);
}

async function withJob(c: Context<AppEnv>, row: VideoRow): Promise<Video> {
  const [job, subtitles] = await Promise.all([
    latestJobOf(c.env.DB, row.id),
    subtitlesOf(c.env.DB, [row.id]),
  ]);
  const rendered = job ? renderJob(job, await liveProgress(c.env, job, c.var.log)) : undefined;
  const video = renderVideo(row, rendered, subtitles.get(row.id), job && plannedVideo(job));
  return { ...video, ...publicUrls(row, new URL(c.req.url).origin) };
}

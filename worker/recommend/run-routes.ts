// Training runs: asked for by the owner, claimed and reported by transcoders.
import { type Context, Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { MODEL_SUMMARY, recommendModelPrefix } from '../../shared/object-keys.ts';
import {
  type RecommendClaim,
  RecommendClaimRequest,
  RecommendDone,
  RecommendFailure,
} from '../../shared/recommend-api.ts';
import { requires } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { idempotent, newId } from '../http/idempotency.ts';
import { signJobToken, storageAccess } from '../jobs/claim.ts';
import { heldTask, isTranscoder } from '../jobs/internal-routes.ts';
import { keepContainerAwake, wakeTranscoders } from '../jobs/transcoder-container.ts';
import { headObject } from '../r2.ts';
import { exportPart } from './export.ts';
import {
  claimRun,
  createRun,
  failRun,
  type HeldRun,
  publishModel,
  releaseRun,
  renderRun,
  renewRun,
  runOf,
} from './run-store.ts';

/** What a job token of a run says in the place of a task. */
const TASK = 'recommend';

export function recommendRunRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.post('/v1/recommendations/runs', requires('uploader'), idempotent(accepted), async (c) => {
    const runId = newId(c);
    await createRun(c.env.DB, c.var.caller.ownerId, runId);
    c.executionCtx.waitUntil(wakeTranscoders(c.env, c.var.log));
    return accepted(c, runId);
  });

  app.get('/v1/recommendations/runs/:id', requires('uploader'), async (c) =>
    c.json(renderRun(await runOf(c.env.DB, c.req.param('id'), c.var.caller.ownerId))),
  );

  app.post('/internal/recommend/claim', isTranscoder, async (c) => {
    const { workerId } = await jsonBody(c, RecommendClaimRequest);
    const { config, log } = c.var;
    const held = await claimRun(c.env.DB, workerId, config.LEASE_SECONDS);
    if (!held) return c.body(null, 204);
    log.info('recommend.claimed', { ...held, workerId });
    const claim: RecommendClaim = {
      ...held,
      jobToken: await tokenOf(c, held),
      leaseSeconds: config.LEASE_SECONDS,
      heartbeatSeconds: config.HEARTBEAT_SECONDS,
      modelPrefix: recommendModelPrefix(held.runId, held.epoch),
      storage: storageAccess(config),
    };
    return c.json(claim);
  });

  app.post('/internal/recommend/heartbeat', async (c) => {
    const held = await heldOf(c);
    const { LEASE_SECONDS } = c.var.config;
    const { workerId } = await renewRun(c.env.DB, held, LEASE_SECONDS);
    c.executionCtx.waitUntil(keepContainerAwake(c.env, workerId, c.var.log));
    return c.json({ leaseSeconds: LEASE_SECONDS, jobToken: await tokenOf(c, held) });
  });

  app.post('/internal/recommend/export', async (c) =>
    c.json(await exportPart(c.env.DB, c.env.MEDIA, await heldOf(c))),
  );

  app.post('/internal/recommend/done', async (c) => {
    const held = await heldOf(c);
    const { summary } = await jsonBody(c, RecommendDone);
    // The pointer never moves to what is not there; the summary is the last object of a model.
    const key = recommendModelPrefix(held.runId, held.epoch) + MODEL_SUMMARY;
    if (!(await headObject(c.env.MEDIA, key))) {
      throw new AppError('recommend_failed', { detail: 'The model has not been stored.' });
    }
    await publishModel(c.env.DB, held, summary);
    c.var.log.info('recommend.published', { ...held, ...summary });
    return c.json({});
  });

  app.post('/internal/recommend/fail', async (c) => {
    const held = await heldOf(c);
    const failure = await jsonBody(c, RecommendFailure);
    await failRun(c.env.DB, held, failure);
    c.var.log.warn('recommend.failed', { ...held, ...failure });
    return c.json({});
  });

  app.post('/internal/recommend/release', async (c) => {
    await releaseRun(c.env.DB, await heldOf(c));
    return c.json({});
  });

  return app;
}

async function accepted(c: Context<AppEnv>, runId: string): Promise<Response> {
  return c.json({ runId }, 202);
}

function tokenOf(c: Context<AppEnv>, { runId, epoch }: HeldRun): Promise<string> {
  return signJobToken({ jobId: runId, task: TASK, epoch }, c.var.config);
}

async function heldOf(c: Context<AppEnv>): Promise<HeldRun> {
  const { jobId, task, epoch } = await heldTask(c);
  if (task !== TASK)
    throw new AppError('unauthorized', { detail: 'This call needs the token of a training run.' });
  return { runId: jobId, epoch };
}

// The ledger as transcoders call it. What a call may touch is in its job token: one attempt at one task.
import type { Context } from 'hono';
import { Hono } from 'hono';
import { createMiddleware } from 'hono/factory';
import { AppError, type ErrorCode, isErrorCode } from '../../shared/errors.ts';
import { errorFields } from '../../shared/log.ts';
import {
  ClaimRequest,
  Commit,
  Hello,
  PlanReport,
  PublishReport,
  TaskDone,
  TaskFailure,
  TaskProgress,
} from '../../shared/messages.ts';
import { JobClaims, verifyToken } from '../../shared/sign.ts';
import { parseTraceparent } from '../../shared/trace-context.ts';
import { bearerOf } from '../http/auth.ts';
import { jsonBody } from '../http/body.ts';
import type { AppEnv } from '../http/context.ts';
import { equalSecrets } from '../http/equal-secrets.ts';
import { meter } from '../http/meter.ts';
import { drainEvents } from '../webhooks/deliver.ts';
import { acceptPlan } from './accept-plan.ts';
import { type AttemptEnd, endAttempt } from './attempt.ts';
import { claimTask, signJobToken } from './claim.ts';
import { growJob } from './growth.ts';
import { type HeldTask, kindOf } from './guard.ts';
import { commitPart } from './imports.ts';
import { commitSegment, completeTask, heartbeat } from './ledger.ts';
import { reviseBeforePublish, reviseManifests } from './manifest-revision.ts';
import { drainOutbox } from './outbox.ts';
import { publishJob } from './publish.ts';
import { type Reaped, reapLapsed, reapWorker } from './reap.ts';
import { announceJob, reportDone } from './room-client.ts';
import { keepContainerAwake } from './transcoder-container.ts';

const DETAIL_CHARS = 1000;

/** POST /internal/*: hello and claim by the transcoders' secret, everything else by job token. */
export function internalRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.post('/internal/hello', isTranscoder, async (c) => {
    const { workerId } = await jsonBody(c, Hello);
    const reaped = await reapWorker(c.env.DB, workerId);
    afterReaping(c, reaped);
    return c.json({ released: reaped.length });
  });

  app.post('/internal/claim', isTranscoder, async (c) => {
    const request = await jsonBody(c, ClaimRequest);
    afterReaping(c, await reapLapsed(c.env.DB));
    const claim = await claimTask(c.env.DB, request, c.var.config);
    meter.count('reelay_claims_total', { kind: claim?.task.kind ?? 'none' });
    if (!claim) return c.body(null, 204);
    const { jobId, name, epoch } = claim.task;
    const traceId = parseTraceparent(claim.job.traceparent)?.traceId;
    c.var.log.info('task.claimed', { jobId, task: name, epoch, workerId: request.workerId, traceId });
    c.executionCtx.waitUntil(announceJob(c.env, jobId, c.var.log));
    return c.json(claim);
  });

  app.post('/internal/heartbeat', async (c) => {
    const held = await heldTask(c);
    const { LEASE_SECONDS } = c.var.config;
    const { workerId } = await heartbeat(c.env.DB, held, LEASE_SECONDS);
    c.executionCtx.waitUntil(keepContainerAwake(c.env, workerId, c.var.log));
    return c.json({ leaseSeconds: LEASE_SECONDS, jobToken: await signJobToken(held, c.var.config) });
  });

  app.post('/internal/commit', async (c) => {
    const held = await heldTask(c);
    const { mark, part } = await jsonBody(c, Commit);
    const { config, log } = c.var;
    const committed = part
      ? await commitPart(c.env.DB, held, mark, part, config.LEASE_SECONDS)
      : await commitSegment(c.env.DB, held, mark, config.LEASE_SECONDS);
    meter.count('reelay_commits_total', { kind: kindOf(held) });
    c.executionCtx.waitUntil(reportDone(c.env, held.jobId, held.task, committed.framesDone, log));
    if (!part) c.executionCtx.waitUntil(grow(c, held.jobId));
    return c.json({ mark: committed.mark });
  });

  app.post('/internal/plan', async (c) => {
    const held = await heldTask(c);
    const { summary } = await jsonBody(c, PlanReport);
    await acceptPlan(c.env.DB, held, summary);
    countAttempt(held, 'done');
    afterTransition(c, held, 'job.planned', { chunks: summary.chunks.length, frames: summary.totalFrames });
    return c.json({});
  });

  app.post('/internal/done', async (c) => {
    const held = await heldTask(c);
    const { mark } = await jsonBody(c, TaskDone);
    await completeTask(c.env.DB, held, mark);
    countAttempt(held, 'done');
    afterTransition(c, held, 'task.done', { mark });
    return c.json({});
  });

  app.post('/internal/fail', async (c) => {
    const held = await heldTask(c);
    const failure = await jsonBody(c, TaskFailure);
    await endAttempt(c.env.DB, held, attemptEndOf(failure));
    countAttempt(held, failure.kind);
    afterTransition(c, held, 'task.failed', { ...failure });
    return c.json({});
  });

  app.post('/internal/release', async (c) => {
    const held = await heldTask(c);
    await endAttempt(c.env.DB, held, { cause: 'released' });
    countAttempt(held, 'released');
    afterTransition(c, held, 'task.released', {});
    return c.json({});
  });

  app.post('/internal/progress', async (c) => {
    const held = await heldTask(c);
    const progress = await jsonBody(c, TaskProgress);
    const done = 'bytesDone' in progress ? progress.bytesDone : progress.framesDone;
    c.executionCtx.waitUntil(reportDone(c.env, held.jobId, held.task, done, c.var.log));
    return c.json({});
  });

  app.post('/internal/publish', async (c) => {
    const held = await heldTask(c);
    const { presentation, receipt } = await jsonBody(c, PublishReport);
    const revised = await reviseBeforePublish(c.env, held.jobId);
    await publishJob(c.env.DB, held, presentation, receipt, revised?.revision);
    // For subtitles that came in between.
    if (revised) c.executionCtx.waitUntil(reviseManifests(c.env, revised.videoId));
    countAttempt(held, 'done');
    afterTransition(c, held, 'job.published', { sizeBytes: presentation.sizeBytes });
    return c.json({});
  });

  return app;
}

/** Lets pass who shows the transcoders' secret. */
export const isTranscoder = createMiddleware<AppEnv>(async (c, next) => {
  if (!(await equalSecrets(bearerOf(c), c.var.config.TRANSCODER_SECRET))) {
    throw new AppError('unauthorized', { detail: 'This call needs the transcoder secret.' });
  }
  await next();
});

/** @throws AppError unauthorized or token_expired. Whether the lease still holds is the ledger's to say. */
export async function heldTask(c: Context<AppEnv>): Promise<HeldTask> {
  const claims = await verifyToken('job', bearerOf(c), c.var.config.SIGNING_KEYS, JobClaims);
  if (!claims) throw new AppError('unauthorized', { detail: 'This call needs the job token of a claim.' });
  if (claims.exp <= Date.now() / 1000) throw new AppError('token_expired');
  return { jobId: claims.job, task: claims.task, epoch: claims.epoch };
}

function countAttempt(held: HeldTask, outcome: string): void {
  meter.count('reelay_task_attempts_total', { kind: kindOf(held), outcome });
}

function attemptEndOf(failure: TaskFailure): AttemptEnd {
  const detail = failure.detail.slice(0, DETAIL_CHARS);
  if (failure.kind === 'resources') return { cause: 'resources', detail };
  // An unknown code comes from a newer transcoder; the job must still end with one of the table.
  const code: ErrorCode = isErrorCode(failure.code) ? failure.code : 'encode_failed';
  return { cause: failure.kind, code, detail };
}

/** Logs a transition and lets its tickets and its news go out after the answer. */
export function afterTransition(
  c: Context<AppEnv>,
  held: HeldTask,
  event: string,
  fields: Record<string, unknown>,
): void {
  c.var.log.info(event, { ...held, ...fields });
  c.executionCtx.waitUntil(spread(c, [held.jobId]));
}

function afterReaping(c: Context<AppEnv>, reaped: Reaped[]): void {
  if (reaped.length === 0) return;
  for (const task of reaped) c.var.log.warn('task.taken_back', task);
  c.executionCtx.waitUntil(spread(c, [...new Set(reaped.map((task) => task.jobId))]));
}

async function spread(c: Context<AppEnv>, jobIds: string[]): Promise<void> {
  await Promise.all([
    ...jobIds.map(async (jobId) => {
      if (!(await grow(c, jobId))) await announceJob(c.env, jobId, c.var.log);
    }),
    drainOutbox(c.env, c.var.log),
  ]);
}

/** Whether the step has made the job playable, which its watchers then know. The cron looks again at what fails. */
async function grow(c: Context<AppEnv>, jobId: string): Promise<boolean> {
  const { config, log } = c.var;
  try {
    const isNews = await growJob(jobId, { db: c.env.DB, config, log });
    if (isNews) await Promise.all([announceJob(c.env, jobId, log), drainEvents(c.env, log)]);
    return isNews;
  } catch (error) {
    log.warn('growth.look_failed', { jobId, ...errorFields(error) });
    return false;
  }
}

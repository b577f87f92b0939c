// Jobs over HTTP: list them, read one, try it again, cancel it, watch it.
import type { Context } from 'hono';
import { Hono } from 'hono';
import { AppError } from '../../shared/errors.ts';
import { type JobList, JobQuery, type JobTasks } from '../../shared/job-api.ts';
import { fromAllowedOrigin } from '../http/allowed-origin.ts';
import { requires } from '../http/auth.ts';
import { validated } from '../http/body.ts';
import type { AppEnv, Caller } from '../http/context.ts';
import { idempotent, newId, repeatable } from '../http/idempotency.ts';
import { drainEvents } from '../webhooks/deliver.ts';
import { acceptedAnswer } from './accepted-answer.ts';
import { cancelJob } from './cancel.ts';
import { jobsOf, tasksOf } from './list.ts';
import { drainOutbox } from './outbox.ts';
import { CALLER_HEADER } from './progress-room.ts';
import { renderJob } from './render.ts';
import { retryJob } from './retry.ts';
import { announceJob, liveProgress, newsOf, roomOf } from './room-client.ts';
import { type JobRow, jobById, jobOf } from './store.ts';

export function jobRoutes(): Hono<AppEnv> {
  const app = new Hono<AppEnv>();

  app.get('/v1/jobs', requires('uploader', 'viewer'), async (c) => {
    const list: JobList = await jobsOf(c.env.DB, c.var.caller.ownerId, validated(JobQuery, c.req.query()));
    return c.json(list);
  });

  app.get('/v1/jobs/:id/tasks', async (c) => {
    const tasks: JobTasks = { tasks: await tasksOf(c.env.DB, (await ownJob(c)).id) };
    return c.json(tasks);
  });

  app.get('/v1/jobs/:id', async (c) => {
    const row = await ownJob(c);
    return c.json(renderJob(row, await liveProgress(c.env, row, c.var.log)));
  });

  app.post('/v1/jobs/:id/retry', requires('uploader'), idempotent(acceptedAnswer), async (c) => {
    const jobId = newId(c);
    await retryJob(c.env.DB, await ownJob(c), jobId, c.var.caller.traceparent);
    c.executionCtx.waitUntil(drainOutbox(c.env, c.var.log));
    return acceptedAnswer(c, jobId);
  });

  app.post('/v1/jobs/:id/cancel', requires('uploader'), repeatable, async (c) => {
    const row = await ownJob(c);
    await cancelJob(c.env.DB, row.id);
    c.executionCtx.waitUntil(announceJob(c.env, row.id, c.var.log));
    c.executionCtx.waitUntil(drainEvents(c.env, c.var.log));
    return c.json(renderJob(await ownJob(c)));
  });

  app.post('/v1/jobs/:id/ticket', repeatable, async (c) => {
    const row = await ownJob(c);
    const { ticket, expiresAtMs } = await roomOf(c.env, row.id).issueTicket(nameOf(c.var.caller));
    return c.json({ ticket, expiresAt: new Date(expiresAtMs).toISOString() }, 201);
  });

  app.get('/v1/jobs/:id/events', fromAllowedOrigin, async (c) => {
    const ticket = c.req.query('ticket');
    const visitor = ticket === undefined ? await callersVisit(c) : await ticketsVisit(c, ticket);
    return openEvents(c, visitor);
  });

  return app;
}

type Visit = { row: JobRow; callerName: string };

async function callersVisit(c: Context<AppEnv>): Promise<Visit> {
  return { row: await ownJob(c), callerName: nameOf(c.var.caller) };
}

async function ticketsVisit(c: Context<AppEnv>, ticket: string): Promise<Visit> {
  const jobId = idOf(c);
  // An unknown job has no ticket either; asking its room would only create an empty one.
  const row = await jobById(c.env.DB, jobId);
  const callerName = row ? await roomOf(c.env, jobId).redeemTicket(ticket) : undefined;
  if (!row || callerName === undefined) throw new AppError('ticket_invalid');
  return { row, callerName };
}

async function openEvents(c: Context<AppEnv>, { row, callerName }: Visit): Promise<Response> {
  const isWebSocket = c.req.header('upgrade')?.toLowerCase() === 'websocket';
  // A HEAD would open a stream that nobody reads.
  const isStream = c.req.method === 'GET' && c.req.header('accept')?.includes('text/event-stream');
  if (!isWebSocket && !isStream) {
    throw new AppError('invalid_request', { detail: 'Open a WebSocket, or send Accept: text/event-stream.' });
  }
  const room = roomOf(c.env, row.id);
  await room.announce(await newsOf(c.env, row));
  const headers = { [CALLER_HEADER]: callerName, ...(isWebSocket ? { Upgrade: 'websocket' } : {}) };
  const answer = await room.fetch('https://room/', { headers });
  if (answer.status === new AppError('too_many_connections').status) {
    throw new AppError('too_many_connections', {
      detail: 'At most 8 connections per caller may watch one job.',
    });
  }
  // A response of our own, since the room's has headers that middleware could not add to.
  if (answer.webSocket) return new Response(null, { status: 101, webSocket: answer.webSocket });
  return new Response(answer.body, answer);
}

/** The caller's job. @throws AppError not_found, for another owner's or another video's job too. */
async function ownJob(c: Context<AppEnv>): Promise<JobRow> {
  const { caller } = c.var;
  const row = await jobOf(c.env.DB, idOf(c), caller.ownerId);
  const isOutsideLink = caller.onlyVideoId !== undefined && caller.onlyVideoId !== row?.video_id;
  if (!row || isOutsideLink) throw new AppError('not_found', { detail: 'There is no such job.' });
  return row;
}

function idOf(c: Context<AppEnv>): string {
  return c.req.param('id') ?? '';
}

/** Whose connections are counted together. */
function nameOf(caller: Caller): string {
  return `${caller.via}:${caller.ownerId}`;
}

// The answer to every request that makes a job.
import type { Context } from 'hono';
import type { AcceptedJob } from '../../shared/api.ts';
import { AppError } from '../../shared/errors.ts';
import type { AppEnv } from '../http/context.ts';
import { jobOf } from './store.ts';

/** @throws AppError `not_found` where the caller's owner has no such job. */
export async function acceptedAnswer(c: Context<AppEnv>, jobId: string): Promise<Response> {
  const job = await jobOf(c.env.DB, jobId, c.var.caller.ownerId);
  if (!job) throw new AppError('not_found', { detail: 'There is no such job.' });
  const accepted: AcceptedJob = { jobId };
  return c.json(accepted, 202, { Location: `/v1/jobs/${jobId}` });
}

// Transcoders as Cloudflare Containers: the same image that runs anywhere else as a pull consumer, here
// started by the Worker when there is work and put to sleep by the platform when there is none.
import type { DurableObject } from 'cloudflare:workers';
import { Container } from '@cloudflare/containers';
import { errorFields, type Log } from '../../shared/log.ts';
import { configOf, type Env } from '../env.ts';

const MAX_CONTAINERS = 5;
/** Ready tasks that one more container is worth: a container works on several at once. */
const TASKS_PER_CONTAINER = 4;
const WORKER_ID_PREFIX = 'container-';

/** What the image reads from its environment, handed on from the Worker's own variables and secrets. */
const HANDED_ON = [
  'REELAY_URL',
  'TRANSCODER_SECRET',
  'QUEUES_API',
  'QUEUE_ACCOUNT_ID',
  'QUEUE_ID',
  'QUEUE_TOKEN',
] as const;

export class Transcoder extends Container<Env> {
  override defaultPort = 8080;
  override sleepAfter = '10m';

  constructor(ctx: DurableObject['ctx'], env: Env) {
    super(ctx, env);
    this.envVars = containerVariables(env);
  }

  /** Starts the container under a stable worker id, or leaves it running. */
  async wake(workerId: string): Promise<void> {
    await this.start({ envVars: { ...containerVariables(this.env), WORKER_ID: workerId } });
    this.renewActivityTimeout();
  }

  /** A busy pull consumer gets no requests and looks idle; its heartbeats say that it is not. */
  keepAwake(): void {
    this.renewActivityTimeout();
  }
}

/** Starts containers in proportion to the tasks that wait. Does nothing where containers are not in use. */
export async function wakeTranscoders(env: Env, log: Log): Promise<void> {
  if (configOf(env).CONTAINERS === 'off' || !env.TRANSCODERS) return;
  const row = await env.DB.prepare(
    `SELECT (SELECT count(*) FROM tasks WHERE state = 'ready' AND not_before <= unixepoch())
       + (SELECT count(*) FROM recommend_runs WHERE state IN ('queued', 'running') AND state = 'queued') AS ready`,
  ).first<{ ready: number }>();
  const wanted = Math.min(MAX_CONTAINERS, Math.ceil((row?.ready ?? 0) / TASKS_PER_CONTAINER));
  const workerIds = Array.from({ length: wanted }, (_, index) => `${WORKER_ID_PREFIX}${index}`);
  const results = await Promise.allSettled(
    workerIds.map((workerId) => containerOf(env, workerId)?.wake(workerId)),
  );
  for (const result of results) {
    if (result.status === 'rejected') log.error('container.wake_failed', errorFields(result.reason));
  }
}

/** Keeps the container behind a worker id awake; other transcoders need nothing of the kind. */
export async function keepContainerAwake(env: Env, workerId: string, log: Log): Promise<void> {
  if (configOf(env).CONTAINERS === 'off' || !workerId.startsWith(WORKER_ID_PREFIX)) return;
  try {
    await containerOf(env, workerId)?.keepAwake();
  } catch (error) {
    log.warn('container.keep_awake_failed', { workerId, ...errorFields(error) });
  }
}

function containerOf(env: Env, workerId: string): DurableObjectStub<Transcoder> | undefined {
  const namespace = env.TRANSCODERS as DurableObjectNamespace<Transcoder> | undefined;
  return namespace?.get(namespace.idFromName(workerId));
}

function containerVariables(env: Env): Record<string, string> {
  const named = HANDED_ON.map((name) => [name, env[name]] as const);
  const given = named.filter((pair): pair is [(typeof pair)[0], string] => typeof pair[1] === 'string');
  // The platform reaches the health server over the container's network, not over its loopback.
  return { ...Object.fromEntries(given), HEALTH_HOST: '0.0.0.0' };
}

// Transcoders as Cloudflare Containers: the same image that runs anywhere else as a pull consumer, here
// started by the Worker when there is work and put to sleep by the platform when there is none.
import type { DurableObject } from 'cloudflare:workers';
import { Container, type StopParams } from '@cloudflare/containers';
import { createLog, errorFields, type Log } from '../../shared/log.ts';
import { configOf, type Env } from '../env.ts';

/** Tasks that are worth one container: it works on several at once. */
const TASKS_PER_CONTAINER = 4;
const WORKER_ID_PREFIX = 'container-';
const HEALTH_PORT = 8080;
const HEALTH_TIMEOUT_MS = 5000;

/** What the image reads from its environment, handed on from the Worker's own variables and secrets. */
const HANDED_ON = [
  'REELAY_URL',
  'TRANSCODER_SECRET',
  'QUEUES_API',
  'QUEUE_ACCOUNT_ID',
  'QUEUE_ID',
  'QUEUE_TOKEN',
] as const;

/** Without these a container would start, fail and start again. */
const NEEDED = ['REELAY_URL', 'QUEUE_ACCOUNT_ID', 'QUEUE_ID', 'QUEUE_TOKEN'] as const;

export class Transcoder extends Container<Env> {
  override defaultPort = HEALTH_PORT;
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

  /** Nobody has heard of it for `sleepAfter`: it ends, by SIGTERM, unless it says itself that it is at work. */
  override async onActivityExpired(): Promise<void> {
    const { container } = this.ctx;
    if (!container?.running) return;
    if (await isAtWork(container)) this.renewActivityTimeout();
    else await this.stop();
  }

  override onStop({ exitCode, reason }: StopParams): void {
    // 0 is a transcoder that drained; what another one held comes back when its lease lapses.
    const log = createLog();
    if (exitCode === 0) log.info('container.stopped', { reason });
    else log.warn('container.stopped', { reason, exitCode });
  }

  override onError(error: unknown): void {
    createLog().error('container.failed', errorFields(error));
  }
}

/** Starts containers in proportion to the tasks that wait. Does nothing where containers are not in use. */
export async function wakeTranscoders(env: Env, log: Log): Promise<void> {
  const { CONTAINERS, MAX_CONTAINERS } = configOf(env);
  if (CONTAINERS === 'off' || !env.TRANSCODERS) return;
  const missing = NEEDED.filter((name) => !env[name]);
  if (missing.length > 0) {
    log.error('container.not_configured', { missing });
    return;
  }
  const wanted = Math.min(
    MAX_CONTAINERS,
    Math.ceil((await tasksForContainers(env.DB)) / TASKS_PER_CONTAINER),
  );
  const workerIds = Array.from({ length: wanted }, (_, index) => `${WORKER_ID_PREFIX}${index}`);
  const results = await Promise.allSettled(
    workerIds.map((workerId) => containerOf(env, workerId)?.wake(workerId)),
  );
  for (const result of results) {
    if (result.status === 'rejected') log.error('container.wake_failed', errorFields(result.reason));
  }
}

/** What waits, beside what containers have in hand: those are busy with it. 0 where nothing waits. */
async function tasksForContainers(db: D1Database): Promise<number> {
  const { waiting = 0, held = 0 } =
    (await db
      .prepare(
        `SELECT (SELECT count(*) FROM tasks WHERE state = 'ready' AND not_before <= unixepoch())
           + (SELECT count(*) FROM recommend_runs WHERE state IN ('queued', 'running') AND state = 'queued') AS waiting,
         (SELECT count(*) FROM tasks WHERE state = 'running' AND worker_id GLOB ?) AS held`,
      )
      .bind(`${WORKER_ID_PREFIX}*`)
      .first<{ waiting: number; held: number }>()) ?? {};
  return waiting === 0 ? 0 : waiting + held;
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

/** By the transcoder's own word; one that does not answer is not waited for. */
async function isAtWork(container: NonNullable<DurableObject['ctx']['container']>): Promise<boolean> {
  try {
    const answer = await container
      .getTcpPort(HEALTH_PORT)
      .fetch('http://container/healthz', { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) });
    const { running = [] } = await answer.json<{ running?: string[] }>();
    return running.length > 0;
  } catch (error) {
    createLog().warn('container.silent', errorFields(error));
    return false;
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

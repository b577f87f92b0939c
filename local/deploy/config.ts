// What is deployed: wrangler.toml says it, an overlay beside it that git ignores adds what only one account knows.
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { ROOT } from '../setup/run.mjs';
import { PlainFailure } from '../setup/screen.mjs';

/** What wrangler.toml names for the local stack; nobody's database. */
const LOCAL_DATABASE_ID = '00000000-0000-0000-0000-000000000001';

const WranglerConfig = z.looseObject({
  name: z.string(),
  vars: z.record(z.string(), z.unknown()).default({}),
  r2_buckets: z.array(z.looseObject({ binding: z.string(), bucket_name: z.string() })),
  d1_databases: z.array(
    z.looseObject({ binding: z.string(), database_name: z.string(), database_id: z.string() }),
  ),
  queues: z.object({
    producers: z.array(z.looseObject({ binding: z.string(), queue: z.string() })),
    consumers: z
      .array(z.looseObject({ queue: z.string(), dead_letter_queue: z.string().optional() }))
      .default([]),
  }),
  containers: z
    .array(z.looseObject({ class_name: z.string(), max_instances: z.number().optional() }))
    .optional(),
});
type WranglerConfig = z.infer<typeof WranglerConfig>;

/** Names in the account; what a dry run prints is made of them as well. */
export type Wanted = {
  config: WranglerConfig;
  worker: string;
  vars: Record<string, unknown>;
  mediaBucket: string;
  buckets: string[];
  database: {
    binding: string;
    name: string /** Named in wrangler.toml by the operator. */;
    id: string | undefined;
  };
  ticketQueue: string;
  ticketDeadQueue: string;
  queues: string[];
};

export async function readWanted(): Promise<Wanted> {
  // wrangler's own reader of wrangler.toml: a second one might read it differently.
  const { experimental_readRawConfig: readRawConfig } = await import('wrangler');
  const { rawConfig } = readRawConfig({ config: join(ROOT, 'wrangler.toml') });
  const parsed = WranglerConfig.safeParse(rawConfig);
  if (!parsed.success) throw new PlainFailure(`wrangler.toml: ${z.prettifyError(parsed.error)}`);
  const config = parsed.data;
  const bucketOf = (binding: string) => config.r2_buckets.find((bucket) => bucket.binding === binding);
  const database = config.d1_databases.find(({ binding }) => binding === 'DB');
  const tickets = config.queues.producers.find(({ binding }) => binding === 'TICKETS');
  const media = bucketOf('MEDIA');
  if (!media || !database || !tickets)
    throw new PlainFailure('wrangler.toml names no MEDIA bucket, DB database or TICKETS queue');
  const ticketDeadQueue = `${tickets.queue}-dead`;
  const dead = config.queues.consumers.flatMap(({ dead_letter_queue: queue }) => queue ?? []);
  const named = [...config.queues.producers, ...config.queues.consumers].map(({ queue }) => queue);
  const isPlaceholder = database.database_id === LOCAL_DATABASE_ID;
  return {
    config,
    worker: config.name,
    vars: config.vars,
    mediaBucket: media.bucket_name,
    buckets: config.r2_buckets.map(({ bucket_name: name }) => name),
    database: {
      binding: database.binding,
      name: database.database_name,
      id: isPlaceholder ? undefined : database.database_id,
    },
    ticketQueue: tickets.queue,
    ticketDeadQueue,
    queues: [...new Set([...named, ticketDeadQueue, ...dead])],
  };
}

export type Overlay = { databaseId: string; hasContainers: boolean; vars: Record<string, string> };

/** Written anew each time, so that a change of wrangler.toml is part of the next deployment. */
export async function writeOverlay(file: string, { config }: Wanted, overlay: Overlay): Promise<void> {
  const { containers, ...rest } = config;
  const merged = {
    ...rest,
    d1_databases: config.d1_databases.map((row) =>
      row.binding === 'DB' ? { ...row, database_id: overlay.databaseId } : row,
    ),
    vars: { ...config.vars, ...overlay.vars, ...containerVars(config, overlay) },
    // Left out, no Docker is needed and none are started.
    ...(overlay.hasContainers && { containers }),
  };
  await writeFile(resolve(ROOT, file), `${JSON.stringify(merged, null, 2)}\n`);
}

function containerVars(
  { containers = [] }: WranglerConfig,
  { hasContainers }: Overlay,
): Record<string, string> {
  if (!hasContainers) return { CONTAINERS: 'off' };
  const most = containers.find(({ class_name: name }) => name === 'Transcoder')?.max_instances;
  return { CONTAINERS: 'on', ...(most !== undefined && { MAX_CONTAINERS: String(most) }) };
}

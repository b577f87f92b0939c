// The transcoder's configuration, parsed once by main. All problems are reported together.
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { VideoEncoder } from '../shared/encoder.ts';
import { GIB } from '../shared/limits.ts';
import { parseVariables } from './parse-variables.ts';

const Url = z.url().transform((url) => url.replace(/\/+$/, ''));
const Required = z.string().min(1, 'is missing');

const TranscoderEnv = z.object({
  /** The Worker. */
  REELAY_URL: Url,
  TRANSCODER_SECRET: z.string().min(32, 'needs at least 32 characters'),
  QUEUES_API: Url.default('https://api.cloudflare.com/client/v4'),
  QUEUE_ACCOUNT_ID: Required,
  QUEUE_ID: Required,
  QUEUE_TOKEN: Required,
  /** Who this transcoder is: one that restarts under the same id takes back what it held. */
  WORKER_ID: z.string().min(1).max(128).default(`${hostname()}-${process.pid}`),
  /** Tasks at a time; by default as many as cores and memory allow. */
  SLOTS: z.coerce.number().int().min(1).max(64).optional(),
  MEMORY_GB: z.coerce.number().min(0.5).optional(),
  SCRATCH_DIR: z.string().default(join(tmpdir(), 'reelay')),
  /** Disk for blocks of one source; there are as many at a time as slots. */
  SOURCE_CACHE_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(2 * GIB),
  /** 0 switches the health server off. */
  HEALTH_PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  HEALTH_HOST: z.string().default('127.0.0.1'),
  /** After SIGTERM: how long a task may take to finish the segment in the making before it is given back. */
  DRAIN_SECONDS: z.coerce.number().min(0).max(25).default(20),
  FFMPEG_PATH: z.string().default('ffmpeg'),
  /** An encoder beside libx264 that this machine is to have; a transcoder that has it not refuses to start. */
  ENCODER: VideoEncoder.default('libx264'),
  /** The queue is asked this often right after work, and ever less often when there is none. */
  POLL_MIN_MS: z.coerce.number().min(10).default(250),
  POLL_MAX_MS: z.coerce.number().min(10).default(1000),
  /** The ledger is asked without a ticket this often, should one have been lost. */
  IDLE_CLAIM_MS: z.coerce.number().min(100).default(15_000),
  /** `on`: imports may reach this very machine, by http too. For tests of a stack on one machine alone. */
  IMPORT_ALLOW_LOOPBACK: z.enum(['on', 'off']).default('off'),
});
export type TranscoderEnv = z.infer<typeof TranscoderEnv>;

/** @throws Error naming every missing or wrong variable. */
export function parseEnv(variables: Record<string, string | undefined>): TranscoderEnv {
  return parseVariables(TranscoderEnv, variables);
}

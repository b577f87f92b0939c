// The configuration of the ingest mode, parsed once by main. All problems are reported together.
import { z } from 'zod';
import { GIB } from '../../shared/limits.ts';
import { parseVariables } from '../parse-variables.ts';

const IngestEnv = z.object({
  /** The Worker. */
  REELAY_URL: z.url().transform((url) => url.replace(/\/+$/, '')),
  INGEST_HOST: z.string().default('127.0.0.1'),
  /** 0 takes any free port. */
  INGEST_PORT: z.coerce.number().int().min(0).max(65_535).default(8081),
  /** The largest form. Parts have 8 MiB up to 78 GiB, and grow with what is allowed beyond. */
  INGEST_MAX_BYTES: z.coerce
    .number()
    .int()
    .positive()
    .default(64 * GIB),
  /** Forms at a time; each holds one part of its file in memory. */
  INGEST_MAX_FORMS: z.coerce.number().int().min(1).max(256).default(8),
  /** A client that sends nothing for so long has gone. */
  INGEST_IDLE_SECONDS: z.coerce.number().min(1).max(3600).default(120),
  /** Exact origins of pages that may send forms, comma-separated. */
  CORS_ORIGINS: z
    .string()
    .default('')
    .transform((text) => text.split(',').map((origin) => origin.trim())),
});
export type IngestEnv = z.infer<typeof IngestEnv>;

/** @throws Error naming every missing or wrong variable */
export function parseIngestEnv(variables: Record<string, string | undefined>): IngestEnv {
  return parseVariables(IngestEnv, variables);
}

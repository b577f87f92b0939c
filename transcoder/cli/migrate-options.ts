// What the arguments of `reelay migrate` mean.
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { VideoInput, VideoKind } from '../../shared/api.ts';
import type { Profile } from '../migrate/candidate.ts';
import { ASSUMPTIONS, type Assumptions } from '../migrate/estimate.ts';
import type { TitleRules } from '../migrate/title.ts';
import { UsageError } from './usage.ts';

export type MigrateOptions = {
  sources: string[];
  isDryRun: boolean;
  isRollback: boolean;
  again: boolean;
  parallel: number;
  rules: TitleRules;
  profile: Profile;
  visibility: VideoInput['visibility'];
  endpoint: string | undefined;
  region: string;
  name: string | undefined;
  journal: string | undefined;
  report: string | undefined;
  migrationId: string | undefined;
  assumed: Assumptions;
};

const OPTIONS = {
  'dry-run': { type: 'boolean', default: false },
  rollback: { type: 'boolean', default: false },
  again: { type: 'boolean', default: false },
  parallel: { type: 'string', default: '4' },
  kind: { type: 'string' },
  match: { type: 'string' },
  visibility: { type: 'string' },
  protection: { type: 'string' },
  preset: { type: 'string' },
  endpoint: { type: 'string' },
  region: { type: 'string', default: 'auto' },
  name: { type: 'string' },
  journal: { type: 'string' },
  report: { type: 'string' },
  migration: { type: 'string' },
  speed: { type: 'string', default: String(ASSUMPTIONS.realTimes1080p) },
  transcoders: { type: 'string', default: String(ASSUMPTIONS.transcoders) },
} as const;

const Parallel = z.coerce.number().int().min(1).max(64);
const Positive = z.coerce.number().positive();

/** @throws UsageError */
export function migrateOptions(args: string[]): MigrateOptions {
  const { positionals, values } = parseArgs({ args, allowPositionals: true, options: OPTIONS });
  const { protection, preset, visibility } = values;
  const video = VideoInput.pick({ protection: true, preset: true, visibility: true }).safeParse(
    Object.fromEntries(
      Object.entries({ protection, preset, visibility }).filter(([, value]) => value !== undefined),
    ),
  );
  if (!video.success) {
    throw new UsageError(
      video.error.issues.map(({ path, message }) => `--${path.join('.')}: ${message}`).join('; '),
    );
  }
  const { visibility: chosen, ...profile } = video.data;
  const match = values.match;
  if (match !== undefined && match.split('{id}').length !== 2) {
    throw new UsageError('--match has {id} once, such as movies/{id}/full.mp4');
  }
  if (values.rollback && !values.migration) {
    throw new UsageError(
      '--rollback needs --migration ID; GET /v1/migrations lists them, and each report names its own',
    );
  }
  if (!values.rollback && positionals.length === 0) {
    throw new UsageError(
      'migrate needs a source: bucket:PREFIX, s3://BUCKET/PREFIX, a .csv or .jsonl file, or URLs',
    );
  }
  return {
    sources: positionals,
    isDryRun: values['dry-run'],
    isRollback: values.rollback,
    again: values.again,
    parallel: number('parallel', Parallel, values.parallel),
    rules: { kind: values.kind === undefined ? undefined : oneOf('kind', VideoKind, values.kind), match },
    profile,
    visibility: chosen,
    endpoint: values.endpoint,
    region: values.region,
    name: values.name,
    journal: values.journal,
    report: values.report,
    migrationId: values.migration,
    assumed: {
      ...ASSUMPTIONS,
      realTimes1080p: number('speed', Positive, values.speed),
      transcoders: number('transcoders', Parallel, values.transcoders),
    },
  };
}

function number(name: string, schema: z.ZodType<number>, text: string): number {
  const value = schema.safeParse(text);
  if (value.success) return value.data;
  throw new UsageError(`--${name} is no number that can be used: ${value.error.issues[0]?.message}`);
}

function oneOf<T>(name: string, schema: z.ZodType<T> & { options: readonly string[] }, text: string): T {
  const value = schema.safeParse(text);
  if (value.success) return value.data;
  throw new UsageError(`--${name} is one of ${schema.options.join(', ')}`);
}

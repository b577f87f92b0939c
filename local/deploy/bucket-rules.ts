// The bucket's rules: pages may PUT presigned parts and read their ETag, and unfinished uploads end. Rules of others
// are left as they are.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';
import { DAY_SECONDS } from '../../shared/limits.ts';
import { ROOT } from '../setup/run.mjs';
import { row } from '../setup/screen.mjs';
import { failureOf, made, type Wrangler } from './wrangler.ts';

const CorsRule = z.object({
  allowed: z.object({
    origins: z.array(z.string()),
    methods: z.array(z.string()),
    headers: z.array(z.string()),
  }),
  exposeHeaders: z.array(z.string()),
  maxAgeSeconds: z.number(),
});
type CorsRule = z.infer<typeof CorsRule>;
const CorsFile = z.object({ rules: z.tuple([CorsRule]) });

const LifecycleFile = z.object({
  rules: z.tuple([
    z.object({
      id: z.string(),
      abortMultipartUploadsTransition: z.object({ condition: z.object({ maxAge: z.number() }) }),
    }),
  ]),
});

export async function ensureLifecycle(wrangler: Wrangler, bucket: string): Promise<void> {
  const args = ['r2', 'bucket', 'lifecycle', 'list', bucket];
  const answer = await wrangler.read(args);
  // A dry run has not made the bucket that it would make.
  if (answer && answer.code !== 0 && !wrangler.isDryRun) throw failureOf(args, answer);
  const isEnded = labelledRows(answer?.stdout ?? '').some(
    ({ action = '', enabled, prefix }) =>
      /Abort incomplete multipart uploads/.test(action) && enabled === 'Yes' && prefix === '(all prefixes)',
  );
  if (isEnded) {
    row('lifecycle', 'unfinished uploads are ended by a rule that is there');
    return;
  }
  const { rules } = LifecycleFile.parse(await readJson('worker/ops/r2-lifecycle.json'));
  const [{ id, abortMultipartUploadsTransition: end }] = rules;
  const days = String(end.condition.maxAge / DAY_SECONDS);
  await wrangler.write([
    ...['r2', 'bucket', 'lifecycle', 'add', bucket, id],
    ...['--abort-multipart-days', days, '--force'],
  ]);
  made(wrangler, 'lifecycle', 'rule for unfinished uploads made');
}

/** @param rulesFile where the rules are put for wrangler to read */
export async function ensureCors(
  wrangler: Wrangler,
  bucket: string,
  origins: string[],
  rulesFile: string,
): Promise<void> {
  const { rules } = CorsFile.parse(await readJson('worker/ops/r2-cors.json'));
  const [template] = rules;
  const wanted: CorsRule = { ...template, allowed: { ...template.allowed, origins } };
  const present = await readCors(wrangler, bucket);
  if (covers(present, wanted)) {
    row('CORS', `${origins.join(', ')} may upload already`);
    return;
  }
  const merged = [...present, wanted];
  if (!wrangler.isDryRun) await writeFile(rulesFile, `${JSON.stringify({ rules: merged }, null, 2)}\n`);
  await wrangler.write(['r2', 'bucket', 'cors', 'set', bucket, '--file', rulesFile, '--force'], {
    about: `   (of ${origins.join(', ')})`,
  });
  made(wrangler, 'CORS', `${origins.join(', ')} may upload now`);
}

async function readCors(wrangler: Wrangler, bucket: string): Promise<CorsRule[]> {
  const args = ['r2', 'bucket', 'cors', 'list', bucket];
  const answer = await wrangler.read(args);
  if (!answer || answer.code === 0) return labelledRows(answer?.stdout ?? '').flatMap(corsRuleOf);
  const said = stripVTControlCharacters(answer.stdout + answer.stderr);
  // 10059: no rules at all; 10006: no such bucket, which only a dry run meets.
  if (/\[code: (10059|10006)\]|configuration does not exist/.test(said)) return [];
  throw failureOf(args, answer);
}

function corsRuleOf(fields: Record<string, string>): CorsRule[] {
  if (fields.allowed_origins === undefined) return [];
  const list = (name: string) => {
    const text = fields[name] ?? '';
    return text.startsWith('(') ? [] : text.split(', ');
  };
  return [
    {
      allowed: {
        origins: list('allowed_origins'),
        methods: list('allowed_methods'),
        headers: list('allowed_headers'),
      },
      exposeHeaders: list('exposed_headers'),
      maxAgeSeconds: Number.parseInt(fields.max_age_seconds?.replace('(', '') ?? '0', 10),
    },
  ];
}

/** Every origin finds one rule that allows it all that is wanted. */
function covers(present: CorsRule[], wanted: CorsRule): boolean {
  const holds = (list: string[], item: string) =>
    list.some((entry) => entry === '*' || entry.toLowerCase() === item.toLowerCase());
  return wanted.allowed.origins.every((origin) =>
    present.some(
      ({ allowed, exposeHeaders }) =>
        holds(allowed.origins, origin) &&
        wanted.allowed.methods.every((method) => holds(allowed.methods, method)) &&
        wanted.allowed.headers.every((header) => holds(allowed.headers, header)) &&
        wanted.exposeHeaders.every((header) => holds(exposeHeaders, header)),
    ),
  );
}

/** wrangler prints lists as blocks of `label:  value`, with an empty line between two. */
function labelledRows(output: string): Record<string, string>[] {
  return stripVTControlCharacters(output)
    .split(/\n\s*\n/)
    .map((block) =>
      Object.fromEntries(
        [...block.matchAll(/^([a-z_]+): +(.*)$/gm)].map(([, label = '', value = '']) => [
          label,
          value.trim(),
        ]),
      ),
    );
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(join(ROOT, path), 'utf8'));
}

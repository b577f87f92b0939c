// From the sources on the command line to the files they name. All that is wrong with them is told at once, before
// anything is asked of a server.
import { readFile } from 'node:fs/promises';
import type { VideoKind } from '../../shared/api.ts';
import { type Candidate, repeatedIn } from '../migrate/candidate.ts';
import type { Places } from '../migrate/places.ts';
import { readList } from '../migrate/read-list.ts';
import type { S3Access } from '../migrate/s3-source.ts';
import { type TitleRules, titleOf } from '../migrate/title.ts';
import type { MigrateOptions } from './migrate-options.ts';
import { UsageError } from './usage.ts';

const MAX_PROBLEMS_SHOWN = 20;

/** Credentials come from the environment, as the tools of S3 have them; only where a source needs them. */
export function s3AccessOf(
  options: MigrateOptions,
  env: NodeJS.ProcessEnv = process.env,
): S3Access | undefined {
  if (!options.sources.some(isS3)) return undefined;
  const endpoint = options.endpoint ?? env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!endpoint || !URL.canParse(endpoint)) {
    throw new UsageError('s3:// needs --endpoint, such as https://ACCOUNT.r2.cloudflarestorage.com');
  }
  if (!accessKeyId || !secretAccessKey) {
    throw new UsageError(
      's3:// needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment; a key that may read is enough',
    );
  }
  const sessionToken = env.AWS_SESSION_TOKEN;
  return {
    endpoint,
    region: options.region,
    accessKeyId,
    secretAccessKey,
    ...(sessionToken && { sessionToken }),
  };
}

export type Found = { candidates: Candidate[]; ignored: number };

/** What lists and URLs name. @throws UsageError with every problem of every list; no server has been asked then */
export async function namedCandidates({ sources, rules }: MigrateOptions): Promise<Candidate[]> {
  const problems: string[] = [];
  const candidates: Candidate[] = [];
  const lists = sources.filter((source) => !isS3(source) && !isBucket(source) && !isUrl(source));
  for (const source of lists) {
    const list = readList(source, await textOf(source));
    const told = (problem: string) => (lists.length > 1 ? `${source}: ${problem}` : problem);
    problems.push(...list.problems.map(told));
    candidates.push(...list.candidates.map((one) => ({ ...one, place: told(one.place) })));
  }
  for (const source of sources.filter(isUrl)) candidates.push(candidateOfUrl(source, rules));
  refuse([...problems, ...repeatedIn(candidates)]);
  if (candidates.length === 0 && !sources.some(needsListing)) throw nothingIn(sources, 0);
  return candidates;
}

/** With what lies under prefixes. @throws UsageError where nothing is left to do, or something is named twice */
export async function allCandidates(
  named: Candidate[],
  { sources, rules }: MigrateOptions,
  places: Places,
): Promise<Found> {
  const found: Found = { candidates: [...named], ignored: 0 };
  for (const source of sources.filter(needsListing)) {
    const listed = await listedIn(source, rules, places);
    found.candidates.push(...listed.candidates);
    found.ignored += listed.ignored;
  }
  refuse(repeatedIn(found.candidates));
  if (found.candidates.length === 0) throw nothingIn(sources, found.ignored);
  return found;
}

function nothingIn(sources: readonly string[], ignored: number): UsageError {
  const others = ignored > 0 ? `; ${ignored} objects have no name of a video` : '';
  return new UsageError(`there is nothing to migrate in ${sources.join(' ')}${others}`);
}

function listedIn(source: string, rules: TitleRules, places: Places): Promise<Found> {
  if (isBucket(source)) return places.listBucket(source.slice('bucket:'.length), rules);
  const [, bucket = '', prefix = ''] = /^s3:\/\/([^/]*)\/?(.*)$/s.exec(source) ?? [];
  if (bucket === '') throw new UsageError(`${source} names no bucket`);
  return places.listS3(bucket, prefix, rules);
}

function candidateOfUrl(url: string, rules: TitleRules): Candidate {
  const { pathname } = new URL(url);
  const title: { kind: VideoKind; contentId?: string } = titleOf(pathname, rules);
  return { ...title, origin: { type: 'url', url }, place: url.replace(/\?.*$/, '') };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

function refuse(problems: readonly string[]): void {
  if (problems.length === 0) return;
  const shown = problems.slice(0, MAX_PROBLEMS_SHOWN);
  const rest = problems.length - shown.length;
  throw new UsageError(
    [
      `the list cannot be used, and nothing was started:`,
      ...shown,
      ...(rest > 0 ? [`… and ${rest} more`] : []),
    ].join('\n  '),
  );
}

function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source) && URL.canParse(source);
}

function needsListing(source: string): boolean {
  return isS3(source) || isBucket(source);
}

function isS3(source: string): boolean {
  return source.startsWith('s3://');
}

function isBucket(source: string): boolean {
  return source.startsWith('bucket:');
}

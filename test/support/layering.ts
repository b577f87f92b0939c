// The house's import table as data, and the checker that holds a set of files against it. Pure over its input,
// so that a test can show it a house that breaks the rules.
import { dirname, join, normalize } from 'node:path/posix';

export type SourceFile = { path: string; text: string };

/** What may stand in a folder besides the folder itself. `npm` lists the packages it may import. */
type Rule = { in: RegExp; may: RegExp[]; npm?: RegExp; why: string };

const NODE = /^node:/;
const WORKER_NPM = /^(hono(\/.*)?|zod|jose|aws4fetch|@svta\/cml-cmcd|@cloudflare\/containers|cloudflare:.*)$/;

/** The first rule that matches a file holds for it. */
export const IMPORT_RULES: Rule[] = [
  { in: /^shared\//, may: [/^shared\//], npm: /^zod$/, why: 'shared/ depends on zod alone' },
  {
    in: /^worker\/studio\//,
    may: [/^worker\/studio\//, /^shared\//],
    why: 'the studio knows the public contracts alone',
  },
  {
    in: /^worker\/(app|index)\.ts$/,
    may: [/^worker\//, /^shared\//],
    npm: WORKER_NPM,
    why: 'the entry imports features',
  },
  {
    in: /^worker\/(env|r2)\.ts$/,
    // Types of the Durable Objects that the bindings name.
    may: [
      /^shared\//,
      /^worker\/(env|r2)\.ts$/,
      /^worker\/(jobs\/(progress-room|transcoder-container)|ops\/metrics-store|playback\/prewarm-region|rooms\/watch-room|uploads\/tus-upload)\.ts$/,
    ],
    npm: WORKER_NPM,
    why: 'bindings and storage know no feature',
  },
  {
    in: /^worker\/http\//,
    may: [/^shared\//, /^worker\/(env|r2)\.ts$/, /^worker\/http\//],
    npm: WORKER_NPM,
    why: 'http/ knows no feature',
  },
  {
    in: /^worker\/legacy\//,
    may: [/^shared\//, /^worker\/(env|r2)\.ts$/, /^worker\/(legacy|http|jobs|keys|webhooks|uploads)\//],
    npm: WORKER_NPM,
    why: 'the older API is another door to uploads',
  },
  {
    in: /^worker\/rooms\//,
    may: [/^shared\//, /^worker\/(env|r2)\.ts$/, /^worker\/(rooms|http|jobs|playback)\//],
    npm: WORKER_NPM,
    why: 'rooms and media over a socket are another door to playback',
  },
  {
    in: /^worker\/(?<feature>[a-z-]+)\//,
    may: [/^shared\//, /^worker\/(env|r2)\.ts$/, /^worker\/(http|jobs|keys|webhooks)\//],
    npm: WORKER_NPM,
    why: 'a feature imports http, env, r2 and of other features jobs, keys, webhooks',
  },
  {
    in: /^transcoder\/stages\//,
    may: [/^shared\//, /^transcoder\/(?!(stages|cli|importer)\/|main\.ts|pipeline\.ts|consumer\.ts)/],
    why: 'stages never import each other',
  },
  {
    in: /^transcoder\/cli\/certify-command\.ts$/,
    may: [/^shared\//, /^transcoder\/(cli|certify-stream)\//],
    why: 'certifying is a command too',
  },
  {
    in: /^transcoder\/cli\/migrate-[a-z]+\.ts$/,
    may: [/^shared\//, /^transcoder\/(cli|migrate)\//],
    why: 'migrating is a command too',
  },
  {
    in: /^transcoder\/migrate\//,
    may: [/^shared\//, /^transcoder\/migrate\//, /^transcoder\/cli\/(api-client|retry|follow-job|json)\.ts$/],
    why: 'migrating is a client of the API',
  },
  {
    in: /^transcoder\/cli\//,
    may: [/^shared\//, /^transcoder\/cli\//],
    why: 'a command is a client: it knows the public contracts alone',
  },
  {
    in: /^transcoder\/ingest\//,
    may: [
      ...[/^shared\//, /^transcoder\/ingest\//, /^transcoder\/cli\/(api-client|retry)\.ts$/],
      /^transcoder\/parse-variables\.ts$/,
    ],
    why: 'taking forms in is a client of the API',
  },
  {
    in: /^transcoder\//,
    may: [/^shared\//, /^transcoder\/(?!cli\/)/],
    why: 'transcoder/ meets the Worker in shared/ alone',
  },
  { in: /^(local|test|bench|chaos)\//, may: [/./], why: 'local/ and test/ import anything' },
];

/** Packages and modules that one place has to itself. */
const SOLE_IMPORTERS: { name: RegExp; within: RegExp; only: RegExp; why: string }[] = [
  {
    name: /^(node:child_process|fluent-ffmpeg)$/,
    within: /^transcoder\/(?!cli\/)/,
    only: /^transcoder\/ffmpeg\/run\.ts$/,
    why: 'ffmpeg/run.ts is the only spawner',
  },
  {
    name: /^@aws-sdk\//,
    within: /^(transcoder|worker|shared)\//,
    only: /^transcoder\/(r2|migrate\/s3-source)\.ts$/,
    why: 'r2.ts holds the S3 client, and the foreign one is read by its migration',
  },
];

const BANNED_NAMES =
  /(^|\/)(utils?|helpers?|common|misc|lib|managers?|services?|controllers?|types)(\/|\.[a-z.]+$)/;
const MAX_LINES = 300;
/** Tables of cases are long without being two things. */
const MAX_TEST_LINES = 400;
const MAY_DEFAULT_EXPORT =
  /^(worker\/index\.ts|local\/queue\/index\.ts|test\/support\/worker-entry\.ts|.*\.config\.ts)$/;
const MAY_USE_CONSOLE = /^(shared\/log\.ts|transcoder\/cli\/|local\/|bench\/|chaos\/|test\/)/;

/** Every breach as one sentence that begins with the path. */
export function breachesOf(files: SourceFile[]): string[] {
  return files.flatMap((file) => [
    ...importBreaches(file),
    ...soleImporterBreaches(file),
    ...shapeBreaches(file),
  ]);
}

function importBreaches({ path, text }: SourceFile): string[] {
  const rule = IMPORT_RULES.find((candidate) => candidate.in.test(path));
  if (!rule) return path.includes('/') ? [`${path}: no rule of the import table covers this folder`] : [];
  const feature = rule.in.exec(path)?.groups?.feature;
  return importsOf(text).flatMap((name) => {
    if (!name.startsWith('.')) {
      if (path.startsWith('shared/') && NODE.test(name)) return [`${path} imports ${name}: ${rule.why}`];
      return !rule.npm || rule.npm.test(name) ? [] : [`${path} imports ${name}: ${rule.why}`];
    }
    const target = normalize(join(dirname(path), name));
    const isOwnFeature = feature !== undefined && target.startsWith(`worker/${feature}/`);
    const isAllowed = isOwnFeature || rule.may.some((pattern) => pattern.test(target));
    return isAllowed ? [] : [`${path} imports ${target}: ${rule.why}`];
  });
}

function soleImporterBreaches({ path, text }: SourceFile): string[] {
  const names = importsOf(text);
  return SOLE_IMPORTERS.filter(({ within, only }) => within.test(path) && !only.test(path)).flatMap((rule) =>
    names.filter((name) => rule.name.test(name)).map((name) => `${path} imports ${name}: ${rule.why}`),
  );
}

function shapeBreaches({ path, text }: SourceFile): string[] {
  const code = withoutComments(text);
  const lines = text.trimEnd().split('\n').length;
  const maxLines = path.endsWith('.test.ts') ? MAX_TEST_LINES : MAX_LINES;
  const checks: [isBreach: boolean, sentence: string][] = [
    [lines > maxLines, `has ${lines} lines: past ${maxLines} a file is usually two things`],
    [BANNED_NAMES.test(path), 'has a name that says nothing'],
    [!/^[a-z0-9.\-/]+$/.test(path), 'is not named in kebab-case'],
    [isBarrel(code), 'is a barrel: import from where a thing is defined'],
    [/^export default\b/m.test(code) && !MAY_DEFAULT_EXPORT.test(path), 'has a default export'],
    [/\bconsole\.\w+\(/.test(code) && !MAY_USE_CONSOLE.test(path), 'writes to the console past the log'],
  ];
  return checks.flatMap(([isBreach, sentence]) => (isBreach ? [`${path} ${sentence}`] : []));
}

/** Nothing but re-exports. */
function isBarrel(code: string): boolean {
  const statements = code.split(';').filter((statement) => statement.trim());
  return (
    statements.length > 0 && statements.every((statement) => /^\s*export\b[^=(]*\bfrom\s/.test(statement))
  );
}

/** Module names of static and dynamic imports and of re-exports. */
export function importsOf(text: string): string[] {
  const pattern =
    /(?:^|[\s;}])(?:import|export)\s(?:[^'";]*?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g;
  return [...withoutComments(text).matchAll(pattern)].map((match) => (match[1] ?? match[2])!);
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

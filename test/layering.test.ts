import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { breachesOf, importsOf } from './support/layering.ts';

// Tracked and new files alike; what .gitignore names is not ours.
function sourceFiles() {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
  });
  return listed
    .split('\n')
    .filter((path) => /\.(ts|tsx|mjs)$/.test(path) && existsSync(path))
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}

describe('the house', () => {
  it('keeps to its import table and its shape', () => {
    const files = sourceFiles();
    expect(files.length).toBeGreaterThan(50);
    expect(breachesOf(files)).toEqual([]);
  });
});

describe('the checker', () => {
  const breach = (path: string, text: string) => breachesOf([{ path, text }]);

  it.each([
    ['worker/uploads/finish.ts', /transcoder\/r2\.ts/, "import { createR2 } from '../../transcoder/r2.ts';"],
    ['worker/uploads/finish.ts', /of other features jobs/, "import { play } from '../playback/store.ts';"],
    ['worker/uploads/finish.ts', /worker\/app\.ts/, "import { app } from '../app.ts';"],
    ['worker/uploads/finish.ts', /node:fs/, "import { readFile } from 'node:fs';"],
    ['worker/http/auth.ts', /knows no feature/, "import { jobOf } from '../jobs/store.ts';"],
    ['shared/plan.ts', /zod alone/, "import { join } from 'node:path';"],
    ['shared/plan.ts', /zod alone/, "import { Hono } from 'hono';"],
    ['shared/plan.ts', /zod alone/, "import type { Env } from '../worker/env.ts';"],
    ['transcoder/stages/encode.ts', /never import each other/, "import { probeSource } from './probe.ts';"],
    ['transcoder/stages/encode.ts', /never import each other/, "import {\n  a,\n  b,\n} from './probe.ts';"],
    ['transcoder/scratch.ts', /only spawner/, "const { spawn } = await import('node:child_process');"],
    ['transcoder/scratch.ts', /only spawner/, "import ffmpeg from 'fluent-ffmpeg';"],
    ['transcoder/source.ts', /S3 client/, "import { S3Client } from '@aws-sdk/client-s3';"],
    ['transcoder/pipeline.ts', /local\/home\.ts/, "import { homeAt } from '../local/home.ts';"],
    ['worker/jobs/index.ts', /barrel/, "export { a } from './a.ts';\nexport * from './b.ts';\n"],
    ['worker/jobs/utils.ts', /says nothing/, 'export const a = 1;'],
    ['worker/jobs/jobStore.ts', /kebab-case/, 'export const a = 1;'],
    ['worker/jobs/store.ts', /default export/, 'export default {};'],
    ['worker/jobs/store.ts', /console/, 'console.log(1);'],
    ['worker/jobs/store.ts', /301 lines/, 'a();\n'.repeat(301)],
    ['elsewhere/thing.ts', /no rule/, "import { a } from './b.ts';"],
  ])('sees the breach in %s: %s', (path, sentence, text) => {
    expect(breach(path, text)).toEqual([expect.stringMatching(sentence)]);
  });

  it.each([
    ['worker/uploads/finish.ts', "import { createJobStatements } from '../jobs/create.ts';"],
    ['worker/uploads/finish.ts', "import { store } from './store.ts';\nimport { Hono } from 'hono';"],
    ['transcoder/stages/encode.ts', "import { startFfmpeg } from '../ffmpeg/run.ts';"],
    ['transcoder/ffmpeg/run.ts', "import ffmpeg from 'fluent-ffmpeg';"],
    ['transcoder/r2.ts', "import { S3Client } from '@aws-sdk/client-s3';"],
    ['shared/log.ts', 'console.log(1);'],
    ['worker/index.ts', 'export default {};'],
    ['worker/jobs/store.ts', 'a();\n'.repeat(300)],
    [
      'worker/jobs/store.ts',
      "// import { a } from '../../transcoder/r2.ts' would be a breach\n/* console.log(1) */",
    ],
  ])('lets a lawful twin pass in %s', (path, text) => {
    expect(breach(path, text)).toEqual([]);
  });

  it('reads every form of import', () => {
    const text = [
      "import 'a';",
      "import b from 'b';",
      "import type { C } from 'c';",
      "import {\n  d,\n} from 'd';",
      "export * from 'e';",
      "export { f } from 'f';",
      "const g = await import('g');",
    ].join('\n');
    expect(importsOf(text)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  });
});

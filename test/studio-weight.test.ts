// What a browser has to load before the studio's first page is there, as it was last built.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

const DIST = 'worker/studio/dist';
const MANIFEST = join(DIST, 'manifest.json');
const FIRST_PAGE_LIMIT_BYTES = 150_000;

type Chunk = { file: string; imports?: string[]; dynamicImports?: string[] };
type Manifest = Record<string, Chunk>;

/** A chunk and all that it imports at once. */
function filesOf(manifest: Manifest, name: string, seen = new Set<string>()): Set<string> {
  const chunk = manifest[name];
  if (!chunk) throw new Error(`the build has no ${name}`);
  if (!seen.has(chunk.file)) {
    seen.add(chunk.file);
    for (const imported of chunk.imports ?? []) filesOf(manifest, imported, seen);
  }
  return seen;
}

function gzippedBytes(files: Iterable<string>): number {
  let total = 0;
  for (const file of files) total += gzipSync(readFileSync(join(DIST, file)), { level: 9 }).length;
  return total;
}

describe.skipIf(!existsSync(MANIFEST))('the built studio', () => {
  const manifest = () => JSON.parse(readFileSync(MANIFEST, 'utf8')) as Manifest;

  it.each(['library/page.tsx', 'sign-in/page.tsx', 'upload/page.tsx', 'video/page.tsx', 'metrics/page.tsx'])(
    'loads less than 150 KB of gzipped JavaScript for %s, players and uploader aside',
    (page) => {
      const chunks = manifest();
      const files = new Set([...filesOf(chunks, 'index.html'), ...filesOf(chunks, page)]);
      expect(gzippedBytes(files)).toBeLessThan(FIRST_PAGE_LIMIT_BYTES);
    },
  );

  it('keeps Uppy and the players in chunks that are loaded when they are needed', () => {
    const chunks = manifest();
    const pages = Object.keys(chunks).filter((name) => name.endsWith('page.tsx'));
    expect(pages.length).toBeGreaterThan(8);
    const desk = filesOf(chunks, 'upload/upload-desk.tsx');
    expect(gzippedBytes(desk)).toBeGreaterThan(50_000);
    const first = new Set(pages.flatMap((page) => [...filesOf(chunks, page)]));
    expect(first).not.toContain(chunks['upload/upload-desk.tsx']?.file);
  });
});

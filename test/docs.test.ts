// What the pages for players and the table of failures promise is held by tests that exist.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const HELD_BY = /^Held by `([^`]+)`: "(.+)"$/;

type Claim = { file: string; title: string };

function claimsOf(page: string): Claim[] {
  return page.split('\n').flatMap((line) => {
    const [, file, title] = HELD_BY.exec(line) ?? [];
    return file && title ? [{ file, title }] : [];
  });
}

/** Headings under which code stands that no test holds. */
function codeWithoutClaim(page: string): string[] {
  const sections = page.split(/^## /m).slice(1);
  return sections
    .filter((section) => section.includes('```') && claimsOf(section).length === 0)
    .map((section) => section.split('\n')[0]!);
}

function isTitleIn(text: string, title: string): boolean {
  return ["'", '"', '`'].some((quote) => text.includes(`${quote}${title}${quote},`));
}

describe.each(['docs/media3.md', 'docs/players.md'])('%s', (path) => {
  const page = readFileSync(path, 'utf8');

  it('names tests that exist, by file and title', () => {
    const claims = claimsOf(page);
    expect(claims.length).toBeGreaterThan(10);
    expect(claims.length).toBe(page.split('Held by').length - 1);
    const gone = claims.filter(
      ({ file, title }) => !existsSync(file) || !isTitleIn(readFileSync(file, 'utf8'), title),
    );
    expect(gone).toEqual([]);
  });

  it('shows no code without a test of what it needs', () => {
    expect(codeWithoutClaim(page)).toEqual([]);
  });
});

describe('docs/reliability.md', () => {
  const rows = readFileSync('docs/reliability.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| Fault '));

  it('holds every fault by tests that exist, by file and title', () => {
    expect(rows.length).toBeGreaterThan(20);
    const claims = rows.map((row) =>
      [...row.matchAll(/`(test\/[^`]+)`: "([^"]+)"/g)].map(([, file, title]) => ({
        file: file!,
        title: title!,
      })),
    );
    expect(rows.filter((_, index) => claims[index]!.length === 0)).toEqual([]);
    expect(
      claims
        .flat()
        .filter(({ file, title }) => !existsSync(file) || !isTitleIn(readFileSync(file, 'utf8'), title)),
    ).toEqual([]);
  });
});

describe('the check', () => {
  const page = (title: string) =>
    `# P\n\n## A\n\n\`\`\`\ncode\n\`\`\`\n\nHeld by \`test/docs.test.ts\`: "${title}"\n`;

  it('knows a title that is there from one that is not', () => {
    const text = readFileSync('test/docs.test.ts', 'utf8');
    const [claim] = claimsOf(page('knows a title that is there from one that is not'));
    expect(isTitleIn(text, claim!.title)).toBe(true);
    expect(isTitleIn(text, claim!.title.slice(1))).toBe(false);
  });

  it('sees code that nothing holds', () => {
    expect(codeWithoutClaim(page('anything'))).toEqual([]);
    expect(codeWithoutClaim(page('anything').replace(/Held by.*/, ''))).toEqual(['A']);
  });
});

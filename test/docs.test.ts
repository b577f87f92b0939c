// What the pages for players and the table of failures promise is held by tests that exist.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { API_VERSION } from '../shared/openapi/document.ts';

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

describe('the documents', () => {
  const pages = readdirSync('docs').filter((name) => name.endsWith('.md'));
  const linesOf = (path: string) => readFileSync(path, 'utf8').trimEnd().split('\n');

  it('are as short as they have to be', () => {
    expect(linesOf('README.md').length).toBeLessThanOrEqual(250);
    expect(linesOf('CONTRIBUTING.md').length).toBeLessThanOrEqual(80);
  });

  it('are all in the index', () => {
    const index = readFileSync('docs/README.md', 'utf8');
    expect(pages.filter((page) => page !== 'README.md' && !index.includes(`](${page})`))).toEqual([]);
  });

  it.each(['README.md', 'CONTRIBUTING.md', ...pages.map((page) => `docs/${page}`)])(
    '%s links to files that are there',
    (path) => {
      const targets = [...readFileSync(path, 'utf8').matchAll(/\]\(([^)#\s]+)/g)].map(
        ([, target]) => target!,
      );
      const files = targets.filter((target) => !/^[a-z]+:/.test(target));
      expect(files.filter((target) => !existsSync(join(dirname(path), target)))).toEqual([]);
    },
  );

  it('name the version of the package that the API names', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(API_VERSION).toBe(version);
  });
});

describe('docs/scale.md', () => {
  const MILLION = 1e6;

  /** The formula of the page. */
  function monthlyDollars(viewers: number): number {
    const over = (units: number, free: number, dollars: number) =>
      Math.max(0, units / MILLION - free) * dollars;
    const requests = 1310 * viewers;
    const worker = over(requests, 10, 0.3) + over(requests * 0.5, 30, 0.02);
    return (
      5 + worker + over(requests * 0.1, 10, 0.36) + over(24 * viewers, 50, 1) + over(180 * viewers, 1, 0.4)
    );
  }

  const numberOf = (cell: string) => {
    const number = Number(cell.replace(/[$,]|million/g, ''));
    return cell.includes('million') ? number * MILLION : number;
  };

  it('has a table that follows from its formulas', () => {
    const rows = readFileSync('docs/scale.md', 'utf8')
      .split('\n')
      .filter((line) => /bit\/s \| \$[\d.,]+ \| \$[\d.,]+ \|$/.test(line))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    expect(rows).toHaveLength(7);
    for (const [, viewers, minutes, atOnce, , , reelay, stream] of rows) {
      const count = numberOf(viewers!);
      expect(numberOf(minutes!)).toBeCloseTo((60 * count) / MILLION, 5);
      expect(numberOf(atOnce!)).toBe(Math.max(1, count * 0.05));
      expect(numberOf(reelay!)).toBe(Math.round(monthlyDollars(count)));
      expect(numberOf(stream!)).toBeCloseTo((60 * count) / 1000, 2);
    }
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

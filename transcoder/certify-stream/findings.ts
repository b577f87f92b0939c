// What was looked at and what was wrong with it, check by check. Nothing stops at the first fault.

export type Finding = { url: string; problem: string };
export type CheckResult = {
  name: string;
  /** Things looked at. */
  count: number;
  failed: number;
  /** The first few. */
  findings: Finding[];
};
/** What came of looking at a claim. A claim that nothing is known about is not passed in silence. */
export type Verdict = { isKnown: boolean; problem?: string | undefined };
export type NotChecked = { what: string; why: string };

const KEPT_FINDINGS = 5;

export class Findings {
  readonly #results = new Map<string, CheckResult>();
  readonly #notChecked = new Map<string, NotChecked>();

  /** One thing looked at by a check; `problem` says what is wrong with it, if anything is. */
  see(name: string, url: string, problem: string | undefined): void {
    const result = this.#results.get(name) ?? { name, count: 0, failed: 0, findings: [] };
    this.#results.set(name, result);
    result.count++;
    if (problem === undefined) return;
    result.failed++;
    if (result.findings.length < KEPT_FINDINGS) result.findings.push({ url: redacted(url), problem });
  }

  /** One thing that may have many faults. */
  seeAll(name: string, url: string, problems: readonly string[]): void {
    this.see(name, url, problems[0]);
    for (const problem of problems.slice(1)) this.see(name, url, problem);
  }

  /** @param what the claim, for when it could not be judged */
  judge(name: string, url: string, what: string, { isKnown, problem }: Verdict): void {
    if (isKnown) this.see(name, url, problem);
    else this.skip(what, 'nothing that was read tells it');
  }

  skip(what: string, why: string): void {
    this.#notChecked.set(`${what}\n${why}`, { what, why });
  }

  get results(): CheckResult[] {
    return [...this.#results.values()].toSorted((a, b) => a.name.localeCompare(b.name));
  }

  get notChecked(): NotChecked[] {
    return [...this.#notChecked.values()];
  }

  get isFlawless(): boolean {
    return this.results.every(({ failed }) => failed === 0);
  }
}

/** A URL that may be shown: without the token in our paths, signatures in queries and passwords. */
export function redacted(url: string): string {
  return url
    .replace(/\/p\/[^/]+\//, '/p/…/')
    .replace(/\?[^#]*/, '?…')
    .replace(/^(\w+:\/\/)[^/@]*@/, '$1');
}

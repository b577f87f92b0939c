// CPU time of this process and of the children it has waited for, as the kernel counts it.
import { readFileSync } from 'node:fs';

/** USER_HZ, which Linux reports in /proc on every architecture Node runs on. */
const CLOCK_TICKS_PER_SECOND = 100;

/** User and system seconds so far; ended children count in full, running ones not at all. */
export function treeCpuSeconds(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  // proc(5): the command in parentheses may hold spaces, so fields are counted after the last `)`.
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  return [11, 12, 13, 14].reduce((sum, index) => sum + (fields[index] ?? 0), 0) / CLOCK_TICKS_PER_SECOND;
}

export type Cost = { cpuSeconds: number; wallSeconds: number };

export async function costOf<T>(work: () => Promise<T>): Promise<Cost & { result: T }> {
  const cpuBefore = treeCpuSeconds();
  const startedAtMs = performance.now();
  const result = await work();
  return {
    result,
    cpuSeconds: treeCpuSeconds() - cpuBefore,
    wallSeconds: (performance.now() - startedAtMs) / 1000,
  };
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

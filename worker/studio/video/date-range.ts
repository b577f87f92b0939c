// Days of analytics, UTC, both included; the API leaves its `to` out.
const DAY_MS = 86_400_000;
const MAX_DAYS = 366;

export type DateRange = { from: string; to: string };

/** The last `days` days, today among them. */
export function rangeOfDays(days: number, nowMs: number): DateRange {
  return { from: dateOf(nowMs - (days - 1) * DAY_MS), to: dateOf(nowMs) };
}

/** The query of a request; undefined for what the API would refuse. */
export function analyticsQuery({ from, to }: DateRange): string | undefined {
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to) + DAY_MS];
  const days = (toMs - fromMs) / DAY_MS;
  if (!(days > 0 && days <= MAX_DAYS)) return undefined;
  return new URLSearchParams({ from, to: dateOf(toMs) }).toString();
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

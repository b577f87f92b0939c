// Times as the API shows them.

/** A moment of the database's clock, such as `2026-03-01T12:00:00.000Z` (RFC 3339). */
export function rfc3339(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString();
}

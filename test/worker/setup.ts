import { applyD1Migrations, env } from 'cloudflare:test';

// The product's own log lines are worth reading beside a failure only: `TEST_LOG=on npm test -- --project worker …`.
if (env.TEST_LOG === 'off') {
  for (const level of ['info', 'warn', 'error'] as const) console[level] = () => undefined;
}

await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
// All files share one database, and each begins with an empty ledger.
const { results: tables } = await env.DB.prepare(
  "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB 'd1_*'",
).all<{ name: string }>();
await env.DB.batch([
  env.DB.prepare('PRAGMA defer_foreign_keys = on'),
  ...tables.map(({ name }) => env.DB.prepare(`DELETE FROM "${name}"`)),
]);

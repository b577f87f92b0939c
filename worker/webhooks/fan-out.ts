// From an event to its deliveries: one row for each endpoint that wants it.

const EVENTS_PER_BATCH = 50;
const MAX_BATCHES = 20;

/** Safe to run twice at once: rows appear and events leave in one batch. @returns events that were taken up */
export async function fanOut(db: D1Database): Promise<number> {
  let taken = 0;
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    const { results } = await db
      .prepare(`SELECT id FROM outbox WHERE topic = 'event' ORDER BY created_at LIMIT ${EVENTS_PER_BATCH}`)
      .all<{ id: string }>();
    if (results.length === 0) break;
    const ids = JSON.stringify(results.map(({ id }) => id));
    await db.batch([
      db
        .prepare(
          `INSERT INTO webhook_deliveries (id, endpoint_id, event_id, type, payload)
           SELECT lower(hex(randomblob(16))), e.id, o.id, o.body ->> '$.type',
             json_object('type', o.body ->> '$.type',
               'timestamp', strftime('%Y-%m-%dT%H:%M:%SZ', o.created_at, 'unixepoch'),
               'data', json(o.body -> '$.data'))
           FROM json_each(?) ids CROSS JOIN outbox o ON o.id = ids.value
             CROSS JOIN webhook_endpoints e ON e.owner_id = o.body ->> '$.ownerId'
           WHERE e.status = 'enabled' AND o.topic = 'event'
             AND (e.events = '[]' OR EXISTS (SELECT 1 FROM json_each(e.events) t WHERE t.value = o.body ->> '$.type'))
           ON CONFLICT (event_id, endpoint_id) DO NOTHING`,
        )
        .bind(ids),
      db
        .prepare(`DELETE FROM outbox WHERE topic = 'event' AND id IN (SELECT value FROM json_each(?))`)
        .bind(ids),
    ]);
    taken += results.length;
    if (results.length < EVENTS_PER_BATCH) break;
  }
  return taken;
}

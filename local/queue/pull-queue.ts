// One queue's messages on disk. A pull hides what it hands out for the visibility timeout under a fresh lease;
// what is not acknowledged in time comes back with one attempt more, and dies after MAX_RETRIES retries.
import { DurableObject } from 'cloudflare:workers';
import type { QueueEnv } from './index.ts';

export type PullRequest = { batchSize: number; visibilityMs: number };
export type AckRequest = {
  acks?: { lease_id: string }[];
  retries?: { lease_id: string; delay_seconds?: number }[];
};

type PulledMessage = {
  body: string;
  id: string;
  timestamp_ms: number;
  attempts: number;
  lease_id: string;
  metadata: Record<string, string>;
};

type Row = { id: string; body: string; timestamp_ms: number; attempts: number };

export class PullQueue extends DurableObject<QueueEnv> {
  private readonly sql: SqlStorage;

  constructor(state: DurableObjectState, env: QueueEnv) {
    super(state, env);
    this.sql = state.storage.sql;
    this.sql.exec(`
      CREATE TABLE IF NOT EXISTS messages (
        id TEXT PRIMARY KEY, body TEXT NOT NULL, timestamp_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, visible_at_ms INTEGER NOT NULL, lease_id TEXT UNIQUE
      );
      CREATE INDEX IF NOT EXISTS messages_visible ON messages (visible_at_ms);
    `);
  }

  /** Stores base64 bodies, to be offered after the delay. */
  push(bodies: string[], delaySeconds: number): void {
    const now = Date.now();
    for (const body of bodies) {
      this.sql.exec(
        'INSERT INTO messages (id, body, timestamp_ms, visible_at_ms) VALUES (?, ?, ?, ?)',
        ...[crypto.randomUUID().replaceAll('-', ''), body, now, now + delaySeconds * 1000],
      );
    }
  }

  async pull({ batchSize, visibilityMs }: PullRequest) {
    const now = Date.now();
    await this.buryExhausted(now);
    const rows = this.sql
      .exec<Row>(
        'SELECT id, body, timestamp_ms, attempts FROM messages WHERE visible_at_ms <= ? ORDER BY timestamp_ms LIMIT ?',
        ...[now, batchSize],
      )
      .toArray();
    const messages = rows.map((row): PulledMessage => {
      const leaseId = crypto.randomUUID();
      this.sql.exec(
        'UPDATE messages SET attempts = attempts + 1, visible_at_ms = ?, lease_id = ? WHERE id = ?',
        ...[now + visibilityMs, leaseId, row.id],
      );
      const metadata = { 'CF-Content-Type': 'json' };
      return { ...row, attempts: row.attempts + 1, lease_id: leaseId, metadata };
    });
    const { backlog } = this.sql.exec<{ backlog: number }>('SELECT count(*) AS backlog FROM messages').one();
    return { message_backlog_count: backlog, messages };
  }

  /** Acks delete, also after the lease has run out, as long as nobody else got the message since. */
  async settle({ acks = [], retries = [] }: AckRequest) {
    const warnings: string[] = [];
    let ackCount = 0;
    for (const { lease_id } of acks) {
      const { rowsWritten } = this.sql.exec('DELETE FROM messages WHERE lease_id = ?', lease_id);
      if (rowsWritten > 0) ackCount += 1;
      else warnings.push(`lease ${lease_id} is unknown or has been given away`);
    }
    let retryCount = 0;
    for (const { lease_id, delay_seconds = 0 } of retries) {
      const { rowsWritten } = this.sql.exec(
        'UPDATE messages SET visible_at_ms = ?, lease_id = NULL WHERE lease_id = ?',
        ...[Date.now() + delay_seconds * 1000, lease_id],
      );
      if (rowsWritten > 0) retryCount += 1;
      else warnings.push(`lease ${lease_id} is unknown or has been given away`);
    }
    return { ackCount, retryCount, warnings };
  }

  /** Moves messages that have had their last attempt to the dead letter queue. */
  private async buryExhausted(now: number): Promise<void> {
    const deadline = Number(this.env.MAX_RETRIES) + 1;
    const dead = this.sql
      .exec<Row>('SELECT * FROM messages WHERE visible_at_ms <= ? AND attempts >= ?', now, deadline)
      .toArray();
    if (dead.length === 0) return;
    const queues = this.env.PULL_QUEUES;
    const graveyard = queues.idFromName(this.env.DEAD_LETTER_QUEUE);
    // Dead letters of the dead letter queue itself are dropped, as in production without a further queue.
    if (!graveyard.equals(this.ctx.id)) {
      await queues.get(graveyard).push(
        dead.map((row) => row.body),
        0,
      );
    }
    for (const { id } of dead) this.sql.exec('DELETE FROM messages WHERE id = ?', id);
  }
}

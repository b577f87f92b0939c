// Events, as outbox rows in the batch of the change they tell of.
import type { WebhookEventType } from '../../shared/webhook-api.ts';
import type { Guard } from '../jobs/guard.ts';

/** Whom an event is about: a video, the video of a job, or nothing but its owner. */
export type EventSubject = { videoId: string } | { jobId: string } | { ownerId: string };

export type NewEvent = {
  type: WebhookEventType;
  /** What makes it this event and no other, such as a job's id: told twice it is the same event. No dots. */
  key: string;
  about: EventSubject;
  /** Beside the video's own fields. No secrets, no signed URLs. */
  data?: Record<string, unknown>;
};

/**
 * The row of an event, where `guard` proves the change. An owner without an endpoint costs no row.
 * What is sent is fixed here: the video may be gone when it goes out.
 */
export function eventStatement(db: D1Database, event: NewEvent, guard: Guard): D1PreparedStatement {
  const { type, key, about, data = {} } = event;
  const { sql, id } = subjectOf(about);
  // json_patch leaves out what is null.
  return db
    .prepare(
      `INSERT INTO outbox (id, topic, body)
       SELECT ?, 'event', json_object('ownerId', s.owner_id, 'type', ?, 'data', json_patch(json_patch('{}',
           json_object('videoId', s.id, 'kind', s.kind, 'contentId', s.content_id, 'title', s.title)), ?))
       FROM (${sql}) s
       WHERE EXISTS (SELECT 1 FROM webhook_endpoints e WHERE e.owner_id = s.owner_id AND e.status = 'enabled')
         AND (${guard.sql})
       ON CONFLICT (id) DO NOTHING`,
    )
    .bind(eventId(type, key), type, JSON.stringify(data), id, ...guard.params);
}

/** Standard Webhooks wants ids without dots: a dot ends the id in what is signed. */
export function eventId(type: string, key: string): string {
  return `evt_${type}_${key}`.replaceAll('.', '_');
}

function subjectOf(about: EventSubject): { sql: string; id: string } {
  const video = 'SELECT id, owner_id, kind, content_id, title FROM videos WHERE id =';
  if ('videoId' in about) return { sql: `${video} ?`, id: about.videoId };
  if ('jobId' in about) return { sql: `${video} (SELECT video_id FROM jobs WHERE id = ?)`, id: about.jobId };
  const nothing = 'NULL AS id, ? AS owner_id, NULL AS kind, NULL AS content_id, NULL AS title';
  return { sql: `SELECT ${nothing}`, id: about.ownerId };
}

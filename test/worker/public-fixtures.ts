// Movies that everybody may watch, each with the jobs that made its generations.
import { env } from 'cloudflare:test';
import { generationPrefix } from '../../shared/object-keys.ts';
import { bytesOf, MASTER, MPD, PRESENTATION } from './playback-fixtures.ts';

export type Shown = {
  id: string;
  ownerId: string;
  contentId: string;
  place: string;
  jobId: string;
  prefix: string;
};

/** A movie that everybody may watch, with the job that made it. */
export async function shown(
  options: { ownerId?: string; contentId?: string; visibility?: string; regions?: string[] } = {},
) {
  const id = crypto.randomUUID();
  const { ownerId = `owner-${id}`, contentId = `c-${id}`, visibility = 'public', regions = [] } = options;
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO videos (id, owner_id, title, kind, content_id, visibility, protection, regions, state)
       VALUES (?, ?, 'A film', 'movie', ?, ?, 'none', ?, 'processing')`,
    ).bind(id, ownerId, contentId, visibility, JSON.stringify(regions)),
    env.DB.prepare(
      `INSERT INTO contents (kind, content_id, owner_id, video_id) VALUES ('movie', ?1, ?2, ?3)
       ON CONFLICT (kind, content_id) DO UPDATE SET video_id = ?3`,
    ).bind(contentId, ownerId, id),
  ]);
  const video = { id, ownerId, contentId, place: `/hls/movies/${contentId}/` };
  return { ...video, ...(await published(video)) };
}

/** The video's next generation, with the one before kept for who plays it. */
export async function published(
  { id, ownerId, contentId }: Pick<Shown, 'id' | 'ownerId' | 'contentId'>,
  { protection = 'none', revision = 0 } = {},
): Promise<{ jobId: string; prefix: string }> {
  const jobId = crypto.randomUUID();
  const prefix = generationPrefix('movie', contentId, jobId);
  const names = {
    'master.m3u8': MASTER,
    'master_r2.m3u8': `${MASTER}# two\n`,
    'manifest.mpd': MPD,
    'stream_240p.m3u8': '#EXTM3U\n',
    'stream_240p_000.m4s': bytesOf(1000),
    'certificate.json': '{}',
  };
  await Promise.all(Object.entries(names).map(([name, body]) => env.MEDIA.put(prefix + name, body)));
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO stale_generations (job_id, part, due_at)
       SELECT published_job, 'ladder', unixepoch() + 1000 FROM videos WHERE id = ? AND published_job IS NOT NULL`,
    ).bind(id),
    env.DB.prepare(
      `INSERT INTO jobs (id, video_id, owner_id, kind, state, seq, options, source_key, source_etag, source_bytes, output_prefix)
       SELECT ?1, ?2, ?3, 'transcode', 'succeeded', coalesce(max(seq), 0) + 1, ?4, '', '', 0, ?5 FROM jobs WHERE video_id = ?2`,
    ).bind(jobId, id, ownerId, JSON.stringify({ protection }), prefix),
    env.DB.prepare(
      `UPDATE videos SET state = 'ready', published_job = ?, output_prefix = ?, presentation = ?, manifest_revision = ?
       WHERE id = ?`,
    ).bind(jobId, prefix, JSON.stringify(PRESENTATION), revision, id),
  ]);
  return { jobId, prefix };
}

/** A key of one generation, as the transcoder's first request for it leaves it. */
export function giveKey(jobId: string) {
  return env.DB.prepare(
    `INSERT INTO content_keys (job_id, n, scheme, key_id, kek_id, wrapped) VALUES (?, 0, 'aes-128', 'k', 'k', 'w')`,
  )
    .bind(jobId)
    .run();
}

// A published video whose generation is protected, with content keys of its own.
import { env } from 'cloudflare:test';
import { dashManifest } from '../../shared/dash.ts';
import { parseKeyEncryptionKeys } from '../../shared/key-encryption-keys.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { fromHex, toBase64Url } from '../../shared/sign.ts';
import { issueKeys, type Scheme } from '../../worker/keys/store.ts';
import { AUDIO, type PublishedVideo, publishVideo, VIDEO } from './playback-fixtures.ts';

const KEKS = parseKeyEncryptionKeys(env.KEYS_KEK as string);

export type Protected = PublishedVideo & { keyId: string; kid: string; key: Uint8Array; jobId: string };

/** A published video whose generation is its job's, with content keys 0 and 1. */
export async function publishProtected(scheme: Scheme): Promise<Protected> {
  const { jobId, ...video } = await publishByJob(scheme);
  const [first] = await issueKeys(env.DB, KEKS, { jobId, scheme }, [0, 1]);
  const { keyId, key } = first!;
  const protection = { scheme: 'cenc' as const, keyId };
  const mpd = dashManifest({ video: VIDEO, audio: AUDIO, subtitles: [], protection });
  await env.MEDIA.put(`${video.prefix}manifest.mpd`, mpd);
  const kid = toBase64Url(fromHex(keyId));
  return { ...video, jobId, keyId, key, kid };
}

/** A published video whose generation is its job's, so that content keys can be issued to it. */
export async function publishByJob(protection: Scheme | 'none'): Promise<PublishedVideo & { jobId: string }> {
  const video = await publishVideo();
  const jobId = crypto.randomUUID();
  const prefix = `hls/videos/${video.id}/${jobId}/`;
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO jobs (id, video_id, owner_id, kind, state, seq, options, source_key, source_etag, source_bytes, output_prefix)
       VALUES (?, ?, ?, 'transcode', 'succeeded', 1, '{}', 's', 'e', 1, ?)`,
    ).bind(jobId, video.id, video.ownerId, prefix),
    env.DB.prepare('UPDATE videos SET output_prefix = ?, protection = ? WHERE id = ?').bind(
      ...[prefix, protection, video.id],
    ),
  ]);
  return { ...video, prefix, jobId };
}

export const tokenOf = (answer: PlayAnswer) => (answer.hls ?? answer.dash)!.split('/')[4]!;

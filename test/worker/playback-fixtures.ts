// A published video as the transcoder leaves it, with bytes that tell their place, and callers to play it.
import { env, SELF } from 'cloudflare:test';
import { SignJWT } from 'jose';
import type { Role } from '../../shared/api.ts';
import { dashManifest } from '../../shared/dash.ts';
import { masterPlaylist } from '../../shared/hls.ts';
import type { AudioTrack, ImageTrack, VideoTrack } from '../../shared/manifest-tracks.ts';
import type { Presentation } from '../../shared/messages.ts';
import { audioStem, generationPrefix, THUMBNAIL_STEM, videoStem } from '../../shared/object-keys.ts';
import type { PlayAnswer } from '../../shared/play-api.ts';
import { type PlayClaims, parseSigningKeys, signToken } from '../../shared/sign.ts';

export const ORIGIN = 'https://reelay.test';
export const KEYS = parseSigningKeys(env.SIGNING_KEYS as string);

const HEIGHTS = [240, 480, 720];
const SEGMENTS = [0, 1, 2].map((index) => ({ sizeBytes: 1000, durationTicks: 100, startTicks: index * 100 }));
export const VIDEO: VideoTrack[] = HEIGHTS.map((height) => ({
  stem: videoStem(`${height}p`),
  name: `${height}p`,
  timescale: 25,
  codecs: 'avc1.64001f',
  segments: SEGMENTS.map((segment) => ({
    ...segment,
    sizeBytes: height * 100,
    keyTicks: [segment.startTicks],
    keyRanges: [{ offsetBytes: 28, sizeBytes: height * 10 }],
  })),
  width: height * 2,
  height,
  fps: { num: 25, den: 1 },
}));
export const AUDIO: AudioTrack[] = [
  {
    stem: audioStem('en'),
    name: 'en',
    timescale: 25,
    codecs: 'mp4a.40.2',
    segments: SEGMENTS,
    language: 'en',
    label: 'English',
    channels: 2,
    sampleRate: 48_000,
    isDefault: true,
  },
];
const IMAGES: ImageTrack = {
  stem: THUMBNAIL_STEM,
  ...{
    tileWidth: 240,
    tileHeight: 120,
    columns: 3,
    rows: 1,
    timescale: 25,
    tileTicks: 100,
    tileCount: 3,
    sheetCount: 1,
  },
  bandwidthBps: 1000,
};
export const MASTER = masterPlaylist({ video: VIDEO, audio: AUDIO, subtitles: [] });
export const MPD = dashManifest({ video: VIDEO, audio: AUDIO, subtitles: [], images: IMAGES });

export const PRESENTATION: Presentation = {
  durationSeconds: 100,
  width: 1440,
  height: 720,
  frameRate: 25,
  sizeBytes: 1,
  renditions: HEIGHTS.map((height) => ({
    name: `${height}p`,
    width: height * 2,
    height,
    bandwidthBps: height * 1000,
    averageBandwidthBps: height * 900,
    codecs: 'avc1.64001f',
  })),
  audio: [],
  hasPoster: true,
  hasStoryboard: true,
  hasPreview: true,
};

export function bytesOf(sizeBytes: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: sizeBytes }, (_, index) => (index * 7 + (index >> 8)) & 0xff);
}

export type PublishedVideo = { id: string; ownerId: string; prefix: string };

/** A video row, published unless told otherwise, and the objects of its generation. */
export async function publishVideo(options: { isPublished?: boolean } = {}): Promise<PublishedVideo> {
  const id = crypto.randomUUID();
  const ownerId = `owner-${id}`;
  const prefix = generationPrefix('video', id, 'generation1');
  const isPublished = options.isPublished ?? true;
  await env.DB.prepare(
    `INSERT INTO videos (id, owner_id, title, kind, visibility, protection, state, output_prefix, presentation)
     VALUES (?, ?, 'A film', 'video', 'private', 'none', ?, ?, ?)`,
  )
    .bind(
      id,
      ownerId,
      isPublished ? 'ready' : 'processing',
      isPublished ? prefix : null,
      isPublished ? JSON.stringify(PRESENTATION) : null,
    )
    .run();
  const objects: Record<string, string | Uint8Array> = {
    'master.m3u8': MASTER,
    'manifest.mpd': MPD,
    'poster.jpg': bytesOf(500),
    'storyboard.vtt': 'WEBVTT\n',
    'thumb_000.jpg': bytesOf(600),
    'preview.webp': bytesOf(700),
    'stream_240p_iframes.m3u8': '#EXTM3U\n',
    'stream_720p_iframes.m3u8': '#EXTM3U\n',
    'stream_240p.m3u8': '#EXTM3U\n',
    'stream_720p.m3u8': '#EXTM3U\n',
    'stream_240p_000.m4s': bytesOf(1000),
    'stream_720p_000.m4s': bytesOf(1000),
    'certificate.json': '{}',
  };
  await Promise.all(Object.entries(objects).map(([name, body]) => env.MEDIA.put(prefix + name, body)));
  return { id, ownerId, prefix };
}

export async function bearer(ownerId: string, role: Role = 'viewer'): Promise<Record<string, string>> {
  const jwt = await new SignJWT({ role })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(ownerId)
    .setIssuer('reelay')
    .setAudience('reelay')
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(new TextEncoder().encode(env.JWT_SECRET as string));
  return { Authorization: `Bearer ${jwt}` };
}

export async function post(path: string, headers: Record<string, string>, body?: unknown): Promise<Response> {
  return await SELF.fetch(ORIGIN + path, {
    method: 'POST',
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

export async function play(video: PublishedVideo, body: object = {}): Promise<PlayAnswer> {
  const response = await post(`/v1/videos/${video.id}/play`, await bearer(video.ownerId), body);
  if (response.status !== 200) throw new Error(`play answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as PlayAnswer;
}

/** A token for the video with any claim replaced. */
export function playToken(video: PublishedVideo, claims: Partial<PlayClaims> = {}): Promise<string> {
  const whole: PlayClaims = {
    pfx: video.prefix,
    use: 'play',
    exp: Math.floor(Date.now() / 1000) + 600,
    sid: crypto.randomUUID(),
    ...claims,
  };
  return signToken('play', whole, KEYS);
}

export function mediaUrl(token: string, key: string): string {
  return `${ORIGIN}/p/${token}/${key}`;
}

export function fetchMedia(token: string, key: string, init: RequestInit = {}): Promise<Response> {
  return SELF.fetch(mediaUrl(token, key), init as never) as unknown as Promise<Response>;
}

/** Status and error code in one value, so that a failing test says what came instead. */
export async function outcome(response: Response): Promise<string> {
  if (response.ok) {
    await response.arrayBuffer();
    return `${response.status}`;
  }
  const { code } = (await response.json()) as { code: string };
  return `${response.status} ${code}`;
}

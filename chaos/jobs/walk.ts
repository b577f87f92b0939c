// Reads every published video to its end, as a player would, and notes what was served.
import { createHash } from 'node:crypto';
import { type Api, apiAt, type Json } from '../../test/support/api.ts';
import type { History } from './history.ts';

const WALKERS = 4;

export async function walkVideos(
  server: { url: string; token: string },
  videoIds: readonly string[],
  history: History,
): Promise<void> {
  const api = apiAt(server.url, server.token);
  const left = [...videoIds];
  const walker = async () => {
    for (let videoId = left.shift(); videoId !== undefined; videoId = left.shift()) {
      await walk(api, videoId, history);
    }
  };
  await Promise.all(Array.from({ length: WALKERS }, walker));
}

async function walk(api: Api, videoId: string, history: History): Promise<void> {
  const { hls }: Json = await api.call(`/v1/videos/${videoId}/play`, { method: 'POST', json: {} });
  const todo = [String(hls)];
  const seen = new Set(todo);
  for (let url = todo.shift(); url !== undefined; url = todo.shift()) {
    const response = await fetch(url);
    const bytes = Buffer.from(await response.arrayBuffer());
    const key = keyOf(url);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    history.note('served', { videoId, key, status: response.status, sizeBytes: bytes.length, sha256 });
    if (!response.ok || !key.endsWith('.m3u8')) continue;
    for (const name of namesIn(String(bytes))) {
      const next = new URL(name, url).href;
      if (!seen.has(next)) todo.push(next);
      seen.add(next);
    }
  }
  const certificate = await api.call(`/v1/videos/${videoId}/certificate`);
  history.note('certificate', { videoId, jobId: certificate.jobId, checks: certificate.checks.length });
}

/** `/p/{token}/hls/…`: what is behind the token. */
function keyOf(url: string): string {
  return new URL(url).pathname.split('/').slice(3).join('/');
}

function namesIn(playlist: string): string[] {
  return playlist.split('\n').flatMap((line) => {
    if (line !== '' && !line.startsWith('#')) return [line];
    const uri = /URI="([^"]+)"/.exec(line)?.[1];
    return uri ? [uri] : [];
  });
}

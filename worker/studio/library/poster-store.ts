// Posters that were fetched, as addresses of blobs, for as long as the studio is open.
import { currentSession } from '../session.ts';

const MAX_POSTERS = 300;
const posters = new Map<string, Promise<string | undefined>>();

/** @returns undefined where the video has none */
export function posterOf(videoId: string, version: string): Promise<string | undefined> {
  const key = `${videoId} ${version}`;
  let poster = posters.get(key);
  if (!poster) {
    poster = fetchPoster(videoId);
    posters.set(key, poster);
    forgetOldest();
  }
  return poster;
}

async function fetchPoster(videoId: string): Promise<string | undefined> {
  const token = currentSession()?.token ?? '';
  try {
    const response = await fetch(`/v1/videos/${encodeURIComponent(videoId)}/poster`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    return response.ok ? URL.createObjectURL(await response.blob()) : undefined;
  } catch {
    return undefined; // the card shows that there is none
  }
}

function forgetOldest(): void {
  const [oldest] = posters;
  if (posters.size <= MAX_POSTERS || !oldest) return;
  posters.delete(oldest[0]);
  void oldest[1].then((url) => url && URL.revokeObjectURL(url));
}

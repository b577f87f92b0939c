// Where everybody finds a public video: URLs that stay, whatever is published next.
import type { Video } from '../../shared/api.ts';
import { DASH_MANIFEST, MASTER_PLAYLIST, POSTER, titlePrefix } from '../../shared/object-keys.ts';
import type { VideoRow } from './store.ts';

/** Nothing for what is private, protected or not published yet. */
export function publicUrls(row: VideoRow, origin: string): Pick<Video, 'hlsUrl' | 'dashUrl' | 'posterUrl'> {
  const { visibility, protection, output_prefix, presentation } = row;
  if (visibility !== 'public' || protection !== 'none' || output_prefix === null) return {};
  const place = `${origin}/${titlePrefix(row.kind, row.content_id ?? row.id)}`;
  const { hasPoster } = JSON.parse(presentation ?? '{}') as { hasPoster?: boolean };
  return {
    hlsUrl: place + MASTER_PLAYLIST,
    dashUrl: place + DASH_MANIFEST,
    ...(hasPoster && { posterUrl: `${origin}/${output_prefix}${POSTER}` }),
  };
}

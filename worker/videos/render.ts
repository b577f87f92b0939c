// A video row as the API shows it.
import type { Job, Video } from '../../shared/api.ts';
import { Presentation } from '../../shared/messages.ts';
import { rfc3339 } from '../../shared/rfc3339.ts';
import type { SubtitleInfo } from '../../shared/subtitle-api.ts';
import type { PlannedVideo } from '../jobs/render.ts';
import type { VideoRow } from './store.ts';

/** `uploaded` are the subtitles that came after the file; `planned` stands in for what is to be published. */
export function renderVideo(
  row: VideoRow,
  job?: Job,
  uploaded: SubtitleInfo[] = [],
  planned?: PlannedVideo,
): Video {
  const { subtitles: ofFile = [], ...published } = presentationOf(row);
  return {
    id: row.id,
    ownerId: row.owner_id,
    title: row.title,
    kind: row.kind,
    ...(row.content_id !== null && { contentId: row.content_id }),
    visibility: row.visibility,
    protection: row.protection,
    state: row.state,
    regions: JSON.parse(row.regions),
    tags: JSON.parse(row.tags),
    ...(row.state === 'playable' && planned),
    ...published,
    subtitles: [...ofFile, ...uploaded],
    ...(job && { job }),
    ...(row.error_code !== null && { error: { code: row.error_code, detail: row.error_detail ?? '' } }),
    createdAt: rfc3339(row.created_at),
    ...(row.ready_at !== null && { readyAt: rfc3339(row.ready_at) }),
  };
}

type Published = Omit<Presentation, 'hasPoster' | 'hasStoryboard' | 'hasPreview' | 'hasProgressive'>;
type Shown = Published | Pick<Published, 'renditions' | 'audio' | 'subtitles'>;

function presentationOf(row: VideoRow): Shown {
  if (row.presentation === null) return { renditions: [], audio: [] };
  const presentation = Presentation.parse(JSON.parse(row.presentation));
  const {
    hasPoster: _,
    hasStoryboard: __,
    hasPreview: ___,
    hasProgressive: ____,
    ...published
  } = presentation;
  return published;
}

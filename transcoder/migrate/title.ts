// Which title a file is, told by its name: the folders of older systems, or a template that a person gives.
import { ContentId, type VideoKind } from '../../shared/api.ts';

export type Title = { kind: VideoKind; contentId?: string };

const KIND_BY_FOLDER: Record<string, VideoKind> = {
  movie: 'movie',
  movies: 'movie',
  episode: 'episode',
  episodes: 'episode',
};

const VIDEO_NAME = /\.(?:mp4|m4v|mov|mkv|webm|avi|ts|m2ts|mpg|mpeg|flv|wmv|ogv)$/i;

/** What lies beside films in a library (posters, subtitles, playlists) is not meant. */
export function isVideoName(path: string): boolean {
  return VIDEO_NAME.test(path);
}

export type TitleRules = {
  /** For what says no kind itself. */
  kind?: VideoKind | undefined;
  /** Such as `archive/{id}/full.mp4`; `{id}` once, matched against the end of a path. */
  match?: string | undefined;
};

/** `movies/123.mp4` is movie 123; with a kind given, `123.mp4` is that kind's 123; else a video without an id. */
export function titleOf(path: string, { kind, match }: TitleRules): Title {
  const folders = path.split('/');
  const name = folders.pop() ?? '';
  const kindOfPath = kind ?? kindIn(folders);
  if (kindOfPath === undefined) return { kind: 'video' };
  const id = match === undefined ? name.replace(VIDEO_NAME, '') : idIn(path, match);
  return id !== undefined && ContentId.safeParse(id).success
    ? { kind: kindOfPath, contentId: id }
    : { kind: kindOfPath };
}

/** Of the nearest folder that names one. */
function kindIn(folders: readonly string[]): VideoKind | undefined {
  const folder = folders.findLast((name) => Object.hasOwn(KIND_BY_FOLDER, name));
  return folder === undefined ? undefined : KIND_BY_FOLDER[folder];
}

function idIn(path: string, match: string): string | undefined {
  const [before = '', after = ''] = match.split('{id}');
  const pattern = new RegExp(`(?:^|/)${literal(before)}([A-Za-z0-9_-]{1,64})${literal(after)}$`);
  return pattern.exec(path)?.[1];
}

function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

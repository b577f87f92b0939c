// Are subtitles and chapters listed everywhere, and are their files what a player can read?
import { CHAPTERS, playlistName, subtitleName } from '../../shared/object-keys.ts';
import type { FinishedTracks } from '../tracks.ts';
import type { Checklist } from './checklist.ts';
import { readMaster, readMediaPlaylist } from './read-manifests.ts';
import { readTextSets, readWebVtt } from './read-texts.ts';

/** The only tags a cue may hold, and references instead of what would be one. */
const SAFE_CUE =
  /^(?:[^<>&]|<\/?(?:b|i|u|ruby|rt)>|<(?:v|lang)(?: [^<>]*)?>|<\/(?:v|lang)>|&(?:[a-z]+|#x?[0-9a-f]+);)*$/i;

type Texts = {
  tracks: FinishedTracks;
  /** The text of the chapters' file, where there is one. */
  chapters: string | undefined;
  durationSeconds: number;
  /** Those there are. */
  manifests: { master: string | undefined; mpd: string | undefined };
  textOf: (name: string) => string;
};

export function checkTexts(
  list: Checklist,
  { tracks: { subtitles }, chapters, durationSeconds, manifests, textOf }: Texts,
): void {
  const files = [
    ...subtitles.map(({ stem }) => ({ name: subtitleName(stem), body: textOf(subtitleName(stem)) })),
    ...(chapters === undefined ? [] : [{ name: CHAPTERS, body: chapters }]),
  ];
  list.each('cues-in-time', files, ({ name, body }) => {
    const cues = readWebVtt(body);
    if (!cues || cues.length === 0) return `${name} is no WebVTT file with cues`;
    const isSound = cues.every(
      ({ startSeconds, endSeconds }, index) =>
        startSeconds < endSeconds &&
        endSeconds <= durationSeconds + 0.001 &&
        startSeconds >= (cues[index - 1]?.startSeconds ?? 0),
    );
    return isSound ? undefined : `${name} has a cue out of order or outside the video`;
  });
  list.each('cues-safe', files, ({ name, body }) =>
    readWebVtt(body)?.every(({ text }) => SAFE_CUE.test(text)) ? undefined : `${name} holds more than text`,
  );
  if (manifests.master !== undefined) {
    list.each('subtitle-playlists', subtitles, ({ stem }) => {
      const { segments, isVod, hasEnd } = readMediaPlaylist(textOf(playlistName(stem)));
      const [only] = segments;
      const isWhole = segments.length === 1 && only?.uri === subtitleName(stem);
      const isLong = Math.abs((only?.seconds ?? 0) - durationSeconds) < 0.001;
      return isWhole && isLong && isVod && hasEnd ? undefined : `${stem} is not one file for the whole video`;
    });
    checkListed(list, subtitles, manifests.master);
  }
  if (manifests.mpd === undefined) return;
  const sets = readTextSets(manifests.mpd);
  list.each('subtitles-in-mpd', subtitles, ({ stem, language }) => {
    const found = sets.find(({ id }) => id === stem);
    const isTrue = found?.uri === subtitleName(stem) && found.attributes.lang === language;
    return isTrue && sets.length === subtitles.length ? undefined : `${stem} is not in the MPD as what it is`;
  });
}

function checkListed(list: Checklist, subtitles: FinishedTracks['subtitles'], master: string): void {
  const { variants, media } = readMaster(master);
  const listed = media.filter(({ TYPE }) => TYPE === 'SUBTITLES');
  list.each('subtitles-listed', subtitles, (track) => {
    const found = listed.find(({ URI }) => URI === playlistName(track.stem));
    const isGrouped = variants.every(({ attributes }) => attributes.SUBTITLES === found?.['GROUP-ID']);
    const isTrue =
      found?.DEFAULT === (track.isDefault ? 'YES' : 'NO') &&
      found.FORCED === (track.isForced ? 'YES' : 'NO') &&
      (found.LANGUAGE ?? 'und') === track.language &&
      listed.filter(({ NAME }) => NAME === found.NAME).length === 1;
    return isGrouped && isTrue && listed.length === subtitles.length
      ? undefined
      : `${track.stem} is not in the group of every variant, as what it is`;
  });
}

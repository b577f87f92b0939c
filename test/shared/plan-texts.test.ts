import HLS from 'hls-parser';
import { parse } from 'mpd-parser';
import { describe, expect, it } from 'vitest';
import { dashManifest } from '../../shared/dash.ts';
import { masterPlaylist, subtitlePlaylist } from '../../shared/hls.ts';
import type { SubtitleTrack } from '../../shared/manifest-tracks.ts';
import { planAudio } from '../../shared/plan-audio.ts';
import type { SourceAudio } from '../../shared/source-info.ts';
import { audioTrack, videoTrack } from './tracks.ts';

function sound(streamIndex: number, changes: Partial<SourceAudio> = {}): SourceAudio {
  return {
    ...{ streamIndex, codec: 'ac3', channels: 2, sampleRate: 48_000, language: 'en', isDefault: false },
    ...{ startSeconds: 0, durationSeconds: 10 },
    ...changes,
  };
}

describe('planning sound', () => {
  it.each([
    { channels: 1, names: ['en'], each: [1] },
    { channels: 2, names: ['en'], each: [2] },
    { channels: 5, names: ['en'], each: [2] },
    { channels: 6, names: ['en', 'en_51'], each: [2, 6] },
    { channels: 8, names: ['en', 'en_51'], each: [2, 6] },
  ])('makes $names of $channels channels', ({ channels, names, each }) => {
    const planned = planAudio([sound(1, { channels })]);
    expect(planned.map(({ name }) => name)).toEqual(names);
    expect(planned.map((track) => track.channels)).toEqual(each);
  });

  it('copies AAC 5.1 but not at another loudness', () => {
    const aac = [sound(1, { codec: 'aac', profile: 'LC', channels: 6 })];
    expect(planAudio(aac).map(({ isCopied }) => isCopied)).toEqual([false, true]);
    expect(planAudio(aac, false).map(({ isCopied }) => isCopied)).toEqual([false, false]);
    const stereo = [sound(1, { codec: 'aac', profile: 'LC' })];
    expect(planAudio(stereo)[0]!.isCopied).toBe(true);
    expect(planAudio(stereo, false)[0]!.isCopied).toBe(false);
  });

  it('has silence follow sound that ends before the pictures, which then cannot be copied', () => {
    const aac = sound(1, { codec: 'aac', profile: 'LC', channels: 6, startSeconds: 1, durationSeconds: 9 });
    const planned = (filmSeconds?: number) =>
      planAudio([aac], true, filmSeconds).map(({ isCopied, silentUntilSeconds }) => [
        isCopied,
        silentUntilSeconds,
      ]);
    expect(planned(10.6)).toEqual([
      [false, 10.6],
      [false, 10.6],
    ]);
    for (const filmSeconds of [undefined, 4, 10.4]) {
      expect(planned(filmSeconds)).toEqual([
        [false, undefined],
        [true, undefined],
      ]);
    }
  });

  it('keeps commentary and descriptions beside the sound of the film, never as the default', () => {
    const planned = planAudio([
      sound(1, { purpose: 'commentary', isDefault: true }),
      sound(2),
      sound(3, { purpose: 'description' }),
      sound(4, { language: 'de' }),
      sound(5, { language: 'de' }),
    ]);
    expect(
      planned.map(({ name, label, isDefault, streamIndex }) => [name, label, isDefault, streamIndex]),
    ).toEqual([
      ['en_commentary', 'English (commentary)', false, 1],
      ['en', 'English', true, 2],
      ['en_description', 'English (audio description)', false, 3],
      ['de', 'German', false, 4],
    ]);
  });
});

const LOW = videoTrack('360p', 360, [300_000, 450_000, 90_000]);
const HIGH = videoTrack('720p', 720, [1_100_000, 1_200_000, 200_000]);
const ENGLISH = audioTrack('en', 'English', true);
const GERMAN = audioTrack('de', 'Deutsch', false);
const SURROUND = {
  ...audioTrack('en_51', 'English 5.1', true),
  ...{ language: 'en', channels: 6, surroundOf: 'en' },
};
const CAPTIONS: SubtitleTrack = {
  ...{ stem: 'subtitles_en_captions', name: 'en_captions', language: 'en', label: 'English (captions)' },
  ...{ isDefault: true, isForced: false, isCaptions: true, sizeBytes: 2000 },
};
const FORCED: SubtitleTrack = {
  ...{ stem: 'subtitles_de_forced', name: 'de_forced', language: 'de', label: 'Deutsch' },
  ...{ isDefault: false, isForced: true, isCaptions: false, sizeBytes: 1000 },
};
const TRACKS = { video: [LOW, HIGH], audio: [ENGLISH, GERMAN, SURROUND], subtitles: [CAPTIONS, FORCED] };

describe('the master playlist', () => {
  const text = masterPlaylist(TRACKS);
  const parsed = HLS.parse(text) as HLS.types.MasterPlaylist;

  it('lists every variant with stereo first, then with surround sound', () => {
    const groups = parsed.variants.map(({ audio }) => audio[0]!.groupId);
    expect(groups).toEqual(['audio', 'audio', 'surround', 'surround']);
    const members = parsed.variants[2]!.audio.map(({ name, uri, channels }) => [name, uri, channels]);
    expect(members).toEqual([
      ['English', 'audio_en_51.m3u8', '6'],
      ['Deutsch', 'audio_de.m3u8', '2'],
    ]);
  });

  it('lists subtitles with what they are for', () => {
    const subtitles = parsed.variants[0]!.subtitles.map(
      ({ name, language, isDefault, forced, characteristics }) => ({
        ...{ name, language, isDefault, forced, characteristics },
      }),
    );
    expect(subtitles).toEqual([
      {
        ...{ name: 'English (captions)', language: 'en', isDefault: true, forced: false },
        characteristics:
          'public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound',
      },
      { name: 'Deutsch', language: 'de', isDefault: false, forced: true, characteristics: undefined },
    ]);
    for (const { subtitles: group } of parsed.variants) expect(group).toHaveLength(2);
  });

  it('lets a player choose by itself one of those it cannot tell apart, the default if there is one', () => {
    const plain = { ...FORCED, isForced: false };
    const named = (name: string, more: Partial<SubtitleTrack> = {}) => ({
      ...plain,
      name,
      label: name,
      ...more,
    });
    const chosen = (...subtitles: SubtitleTrack[]) => {
      const master = HLS.parse(masterPlaylist({ ...TRACKS, subtitles })) as HLS.types.MasterPlaylist;
      return master.variants[0]!.subtitles.flatMap(({ name, autoselect }) => (autoselect ? [name] : []));
    };
    expect(chosen(named('first'), named('second'), named('third'))).toEqual(['first']);
    expect(chosen(named('first'), named('second', { isDefault: true }))).toEqual(['second']);
    expect(chosen(named('de'), named('forced', { isForced: true }), named('en', { language: 'en' }))).toEqual(
      ['de', 'forced', 'en'],
    );
  });

  it('leads to one file for the whole duration', () => {
    const media = HLS.parse(subtitlePlaylist('subtitles_en', 13.5135)) as HLS.types.MediaPlaylist;
    expect(media).toMatchObject({ endlist: true, playlistType: 'VOD', targetDuration: 14 });
    expect(media.segments.map(({ uri, duration }) => [uri, duration])).toEqual([
      ['subtitles_en.vtt', 13.5135],
    ]);
  });
});

describe('the DASH manifest', () => {
  const text = dashManifest(TRACKS);

  it('gives a parser the same sound and subtitles', () => {
    const { mediaGroups } = parse(text, { manifestUri: 'https://example.test/g/manifest.mpd' });
    const groups = mediaGroups as unknown as Record<string, Record<string, Record<string, unknown>>>;
    expect(Object.keys(groups.AUDIO!.audio!)).toHaveLength(3);
    const subtitles = Object.values(groups.SUBTITLES!.subs!) as { language: string; playlists: object[] }[];
    expect(subtitles.map(({ language }) => language)).toEqual(['en', 'de']);
    expect(JSON.stringify(subtitles[0]!.playlists[0])).toContain(
      'https://example.test/g/subtitles_en_captions.vtt',
    );
  });

  it('says what each is for, in the order of the schema', () => {
    expect(text).toContain(
      '<Label>English (captions)</Label>\n      <Accessibility schemeIdUri="urn:tva:metadata:cs:AudioPurposeCS:2007" value="2"/>\n      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="caption"/>\n      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main"/>',
    );
    expect(text).toContain('<Role schemeIdUri="urn:mpeg:dash:role:2011" value="forced-subtitle"/>');
    expect(text.match(/selectionPriority="2"/g)).toHaveLength(2);
    const ids = [...text.matchAll(/<AdaptationSet id="(\d+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

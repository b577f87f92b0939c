// Faults in subtitles and chapters, one at a time, next to the intact twin that passes.
import { beforeAll, expect, it } from 'vitest';
import { CHAPTERS, DASH_MANIFEST, MASTER_PLAYLIST } from '../../shared/object-keys.ts';
import { certify } from '../../transcoder/stages/certify.ts';
import { packagePresentation } from '../../transcoder/stages/package.ts';
import type { Document } from '../../transcoder/task-context.ts';
import { certifierOf, type FinishedJob, makeFinishedJob } from '../support/finished-job.ts';

const VTT =
  'WEBVTT\n\n00:00:01.000 --> 00:00:02.000 line:0\n<i>One</i>\n\n00:00:03.000 --> 00:00:04.500\n2 &lt; 3\n';
const LEFT_OUT = { code: 'subtitle_track_dropped', detail: 'The subtitles "French" were left out.' } as const;
let made: FinishedJob;
let documents: Document[];

beforeAll(async () => {
  made = await makeFinishedJob();
  const flags = { isDefault: false, isForced: false, isCaptions: false, codec: 'subrip' };
  made.plan.subtitles = [
    { name: 'en', language: 'en', label: 'English', streamIndex: 2, ...flags, isDefault: true },
    { name: 'de_forced', language: 'de', label: 'German', streamIndex: 3, ...flags, isForced: true },
    { name: 'fr', language: 'fr', label: 'French', streamIndex: 4, ...flags },
  ];
  made.plan.chapters = [{ startSeconds: 0, endSeconds: 5, title: 'All' }];
  const tracks = ['en', 'de_forced'].map((name) => ({ name, vtt: VTT }));
  made.facts.text = { version: 1, tracks, warnings: [LEFT_OUT] };
  ({ documents } = packagePresentation(made.plan, made.facts));
});

function check(broken: Document[]) {
  return certify(certifierOf(made), made.plan, made.facts, broken);
}

it('passes what is well, and counts it', async () => {
  const { checks } = await check(documents);
  const counts = Object.fromEntries(checks.map(({ name, count }) => [name, count]));
  expect(counts).toMatchObject({ 'subtitles-listed': 2, 'subtitles-in-mpd': 2, 'cues-in-time': 3 });
  const { presentation } = packagePresentation(made.plan, made.facts);
  expect(presentation.subtitles!.map(({ name }) => name)).toEqual(['en', 'de_forced']);
  expect(presentation.warnings).toEqual([LEFT_OUT]);
});

it.each([
  ['cues-in-time', 'a cue past the end', 'subtitles_en.vtt', '00:00:04.500', '00:00:09.500'],
  ['cues-in-time', 'a cue that runs backwards', 'subtitles_en.vtt', '00:00:04.500', '00:00:02.500'],
  ['cues-in-time', 'cues out of order', 'subtitles_en.vtt', '00:00:03.000', '00:00:00.500'],
  ['cues-in-time', 'a timing that is none', 'subtitles_en.vtt', '00:00:03.000', '00:00:03,000'],
  ['cues-in-time', 'a chapter past the end', CHAPTERS, '00:00:05.000', '00:00:06.000'],
  ['cues-safe', 'a tag that players may run', 'subtitles_en.vtt', '<i>One</i>', '<script>One</script>'],
  ['cues-safe', 'a bare bracket', CHAPTERS, 'All', 'A < B'],
  [
    'subtitle-playlists',
    'a playlist that is too short',
    'subtitles_en.m3u8',
    /#EXTINF:[\d.]+/,
    '#EXTINF:4.000000',
  ],
  [
    'subtitle-playlists',
    "another track's text",
    'subtitles_en.m3u8',
    'subtitles_en.vtt',
    'subtitles_de_forced.vtt',
  ],
  ['subtitle-playlists', 'a missing ENDLIST', 'subtitles_en.m3u8', '#EXT-X-ENDLIST', ''],
  ['subtitles-listed', 'a variant without the group', MASTER_PLAYLIST, ',SUBTITLES="subtitles"', ''],
  [
    'subtitles-listed',
    'a wrong language',
    MASTER_PLAYLIST,
    'NAME="English",LANGUAGE="en"',
    'NAME="English",LANGUAGE="fr"',
  ],
  ['subtitles-listed', 'forced ones that do not say so', MASTER_PLAYLIST, 'FORCED=YES', 'FORCED=NO'],
  ['subtitles-listed', 'a track that is left out', MASTER_PLAYLIST, /#EXT-X-MEDIA:TYPE=SUBTITLES.*\n/, ''],
  ['subtitles-listed', 'a name twice', MASTER_PLAYLIST, 'NAME="German"', 'NAME="English"'],
  [
    'subtitles-in-mpd',
    'a set that is left out',
    DASH_MANIFEST,
    / *<AdaptationSet [^>]*contentType="text".*?<\/AdaptationSet>\n/s,
    '',
  ],
  [
    'subtitles-in-mpd',
    "another track's text in the MPD",
    DASH_MANIFEST,
    '<BaseURL>subtitles_en.vtt',
    '<BaseURL>subtitles_de_forced.vtt',
  ],
] as const)('refuses by %s: %s', async (name, _fault, file, from, to) => {
  const broken = structuredClone(documents);
  const document = broken.find((one) => one.name === file)!;
  const body = document.body.replace(from, to);
  expect(body, 'the fault changes the text').not.toBe(document.body);
  document.body = body;
  await expect(check(broken)).rejects.toMatchObject({
    code: 'verification_failed',
    detail: expect.stringMatching(`^${name}: `),
  });
});

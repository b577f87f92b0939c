import { beforeAll, describe, expect, it } from 'vitest';
import { cutAudio, growingMaster, growingPlaylist, plannedVideo } from '../../shared/hls-growing.ts';
import { readInitSegment } from '../../shared/init-segment.ts';
import { initName, MASTER_PLAYLIST, playlistName } from '../../shared/object-keys.ts';
import { targetSeconds } from '../../shared/target-duration.ts';
import { initFacts, readEditList } from '../../transcoder/isobmff/init.ts';
import { packagePresentation } from '../../transcoder/stages/package.ts';
import { type FinishedJob, makeFinishedJob, OUTPUT_PREFIX } from '../support/finished-job.ts';
import { attributesOf } from '../support/published.ts';

// What a player has read of a list while it grew must stay true of the finished list.

let job: FinishedJob;
let finished: (name: string) => string;

beforeAll(async () => {
  job = await makeFinishedJob();
  const { documents } = packagePresentation(job.plan, job.facts);
  finished = (name) => String(documents.find((document) => document.name === name)?.body);
});

const stems = () =>
  [...job.facts.chunks, ...job.facts.audio].flatMap(({ tracks }) => tracks.map(({ stem }) => stem));
const initOf = async (stem: string) => new Uint8Array(await job.r2.get(OUTPUT_PREFIX + initName(stem)));

/** Everything before the first segment but the type and the start, then EXTINF and URI of each segment. */
function comparable(playlist: string): string[] {
  return playlist.split('\n').filter((line) => !/PLAYLIST-TYPE|EXT-X-START|^$/.test(line));
}

describe('a playlist that grows', () => {
  it('says of pictures what the finished one says, segment by segment', () => {
    const shown = { targetSeconds: targetSeconds(job.plan), isEnded: false };
    expect(job.plan.segmentCount).toBeGreaterThan(2);
    for (const { name } of job.plan.renditions) {
      const whole = comparable(finished(playlistName(`stream_${name}`)));
      for (let count = 1; count <= job.plan.segmentCount; count++) {
        const growing = comparable(growingPlaylist(plannedVideo(job.plan, name), { ...shown, shown: count }));
        expect(growing).toEqual(whole.slice(0, growing.length));
        expect(growing.filter((line) => line.endsWith('.m4s'))).toHaveLength(count);
      }
    }
  });

  it('cuts sound where the encoder does, but for the last segment', async () => {
    const [audio] = job.plan.audio;
    const clock = await readInitSegment(await initOf(`audio_${audio!.name}`));
    const whole = comparable(finished(playlistName(`audio_${audio!.name}`)));
    const count = whole.filter((line) => line.endsWith('.m4s')).length;
    expect(count).toBeGreaterThan(2);
    const timeline = cutAudio(job.plan, audio!.name, { ...clock, frameTicks: clock.frameTicks! }, count - 1);
    const shown = { targetSeconds: targetSeconds(job.plan), isEnded: false, shown: count - 1 };
    const growing = comparable(growingPlaylist(timeline, shown));
    expect(growing).toEqual(whole.slice(0, growing.length));
    expect(growing.filter((line) => line.endsWith('.m4s'))).toHaveLength(count - 1);
  });

  it('would be told from one that is cut elsewhere', async () => {
    const [audio] = job.plan.audio;
    const clock = await readInitSegment(await initOf(`audio_${audio!.name}`));
    const late = { ...clock, frameTicks: clock.frameTicks!, hiddenTicks: clock.hiddenTicks + 4096 };
    const shown = { targetSeconds: targetSeconds(job.plan), isEnded: false, shown: 1 };
    const growing = comparable(growingPlaylist(cutAudio(job.plan, audio!.name, late, 1), shown));
    expect(growing).not.toEqual(
      comparable(finished(playlistName(`audio_${audio!.name}`))).slice(0, growing.length),
    );
  });
});

describe('an init segment', () => {
  it('tells the Worker what it tells the transcoder', async () => {
    for (const stem of stems()) {
      const bytes = await initOf(stem);
      const { codecs, timescale, hiddenTicks } = await readInitSegment(bytes);
      const facts = initFacts(bytes);
      expect({ codecs, timescale }).toEqual({ codecs: facts.codecs, timescale: facts.timescale });
      expect(hiddenTicks).toBe(readEditList(bytes).hiddenTicks);
    }
  });
});

describe('the master while its renditions grow', () => {
  it('differs from the finished one in the bandwidths alone, which it never understates', async () => {
    const codecs = new Map<string, string>();
    for (const stem of stems()) codecs.set(stem, (await readInitSegment(await initOf(stem))).codecs);
    const linesOf = (text: string) => text.split('\n').filter((line) => !line.startsWith('#EXT-X-I-FRAME'));
    const measured = linesOf(finished(MASTER_PLAYLIST));
    const growing = linesOf(growingMaster(job.plan, (stem) => codecs.get(stem)!));
    const withoutRates = (lines: string[]) =>
      lines.map((line) => line.replaceAll(/BANDWIDTH=\d+/g, 'BANDWIDTH=')).sort();
    expect(withoutRates(growing)).toEqual(withoutRates(measured));
    const bandwidthOf = (lines: string[], uri: string) =>
      Number(attributesOf(lines[lines.indexOf(uri) - 1]!).BANDWIDTH);
    for (const { name } of job.plan.renditions) {
      const uri = playlistName(`stream_${name}`);
      expect(bandwidthOf(growing, uri)).toBeGreaterThanOrEqual(bandwidthOf(measured, uri));
    }
  });
});

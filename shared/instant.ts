// Could this file be played at once, by copying its pictures instead of encoding them? Only a clean H.264 file
// can: players differ in everything this list forbids.
import type { AvcConfiguration } from './probe/codec-configuration.ts';
import type { StreamFacts } from './probe/stream-facts.ts';

/** Segments begin at key pictures, and TARGETDURATION bounds every segment of a playlist. */
const MAX_KEY_GAP_SECONDS = 10;
/** Level 4.2, as phones have had it for years. */
const MAX_LEVEL = 42;
/** Baseline, Main, High. */
const COPYABLE_PROFILES = new Set([66, 77, 100]);
/** A rendition this far above the ladder's top stalls the players it is meant for. */
const MAX_PEAK_RATIO = 1.5;

export type InstantFacts = {
  container: string;
  isFragmented: boolean;
  video: StreamFacts;
  avc: AvcConfiguration | undefined;
  /** Nothing but a pause before and a cut at either end; undefined where it was not looked at. */
  hasPlainEdits: boolean | undefined;
  sampleEntryCount: number;
  /** Smallest first. */
  ladder: readonly { maxBitrateBps: number }[];
  gops: { longestSeconds: number; peakBps: number; isAnyOpen: boolean } | undefined;
  /** Whether key pictures are such that decoding may begin at them; undefined where not all were seen. */
  areKeysClean: boolean | undefined;
};

export type InstantVerdict = {
  instant: 'yes' | 'likely' | 'no';
  /** The rules that fail or, for `likely`, those that only the rest of the file can settle. */
  reasons: { code: string; detail: string }[];
};

/** A rule's answer: nothing when it holds, a sentence when it fails, `open` when nobody can say yet. */
type Rule = { code: string; check: (facts: InstantFacts) => string | undefined | { open: string } };

const RULES: readonly Rule[] = [
  {
    code: 'container',
    check: ({ container, isFragmented }) => {
      if (isFragmented) return 'The file is fragmented and must be indexed first.';
      if (container === 'mp4' || container === 'mov') return undefined;
      return { open: `Where the key pictures of a ${container} file lie is not known beforehand.` };
    },
  },
  {
    code: 'codec',
    check: ({ video }) => (video.codec === 'h264' ? undefined : `The video is ${video.codec}, not H.264.`),
  },
  {
    code: 'parameter_sets',
    check: ({ video, avc, sampleEntryCount }) => {
      if (video.codec !== 'h264') return undefined;
      if (!avc) return 'The parameter sets are not in the header.';
      return avc.parameterSetCount > 1 || sampleEntryCount > 1
        ? 'There is more than one set of parameters.'
        : undefined;
    },
  },
  {
    code: 'profile',
    check: ({ avc }) =>
      !avc || COPYABLE_PROFILES.has(avc.sps.profile)
        ? undefined
        : `The profile (${avc.sps.profile}) is none of Baseline, Main and High.`,
  },
  {
    code: 'level',
    check: ({ avc }) =>
      !avc || avc.sps.level <= MAX_LEVEL ? undefined : `The level (${avc.sps.level / 10}) is above 4.2.`,
  },
  {
    code: 'pixel_format',
    check: ({ avc, video }) =>
      !avc || video.pixelFormat === 'yuv420p'
        ? undefined
        : `The pictures are ${video.pixelFormat}, not 8-bit 4:2:0.`,
  },
  {
    code: 'interlaced',
    check: ({ video }) => (video.isInterlaced ? 'The pictures are or may be interlaced.' : undefined),
  },
  {
    code: 'rotation',
    check: ({ video }) =>
      video.rotationDegrees === 0 && !video.isMirrored
        ? undefined
        : video.isMirrored
          ? 'The picture must be mirrored.'
          : `The picture must be turned by ${video.rotationDegrees} degrees.`,
  },
  {
    code: 'pixel_shape',
    check: ({ video: { sar } }) => (!sar || sar.num === sar.den ? undefined : 'The pixels are not square.'),
  },
  {
    code: 'edit_list',
    check: ({ hasPlainEdits }) =>
      hasPlainEdits === false ? 'The edit list does more than wait or skip.' : undefined,
  },
  {
    code: 'key_distance',
    check: ({ gops }) => {
      if (!gops) return { open: 'How far apart the key pictures are is not known.' };
      return gops.longestSeconds <= MAX_KEY_GAP_SECONDS
        ? undefined
        : `Key pictures are up to ${gops.longestSeconds.toFixed(1)} s apart; at most ${MAX_KEY_GAP_SECONDS} s will do.`;
    },
  },
  {
    code: 'open_gop',
    check: ({ gops }) => (gops?.isAnyOpen ? 'Some pictures need the group before their own.' : undefined),
  },
  {
    code: 'bitrate',
    check: ({ gops, ladder }) => {
      const top = ladder.at(-1)?.maxBitrateBps;
      if (!gops || top === undefined || gops.peakBps <= MAX_PEAK_RATIO * top) return undefined;
      return `The peak of ${Math.round(gops.peakBps / 1000)} kbit/s is above ${MAX_PEAK_RATIO} times the top of the ladder.`;
    },
  },
  {
    code: 'key_pictures',
    check: ({ areKeysClean }) => {
      if (areKeysClean === false) return 'Not every key picture is one that decoding can begin at (IDR).';
      return areKeysClean ? undefined : { open: 'Not every key picture was seen.' };
    },
  },
];

/** Whether a copy would be valid; every rule that fails is named. */
export function judgeInstant(facts: InstantFacts): InstantVerdict {
  const answers = RULES.map(({ code, check }) => ({ code, answer: check(facts) }));
  const failed = answers.flatMap(({ code, answer }) =>
    typeof answer === 'string' ? [{ code, detail: answer }] : [],
  );
  if (failed.length > 0) return { instant: 'no', reasons: failed };
  const open = answers.flatMap(({ code, answer }) =>
    typeof answer === 'object' ? [{ code, detail: answer.open }] : [],
  );
  return { instant: open.length > 0 ? 'likely' : 'yes', reasons: open };
}

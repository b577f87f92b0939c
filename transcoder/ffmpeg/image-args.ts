// Command lines for pictures: the poster from the source, sheets and the preview from what is already made.
import type { Plan } from '../../shared/plan.ts';
import type { PlannedThumbnails } from '../../shared/plan-thumbnails.ts';
import { frameSeconds } from '../../shared/timeline.ts';
import { ANONYMOUS, GLOBAL_OPTIONS, type Input, inputOptions, seconds, sourceInput } from './args.ts';
import { posterFilters } from './filters.ts';
import type { FfmpegCommand } from './run.ts';

/** Where and how to look for a poster picture. */
export type PosterSearch = {
  fromSeconds: number;
  windowSeconds: number;
  isKeyFramesOnly: boolean;
  skipsBlack: boolean;
};

/** One JPEG, as a viewer would see it. The file stays absent where the search finds nothing. */
export function posterCommand(plan: Plan, input: Input, search: PosterSearch, path: string): FfmpegCommand {
  const seek = search.fromSeconds > 0 ? ['-noaccurate_seek', '-ss', seconds(search.fromSeconds)] : [];
  return {
    inputs: [
      sourceInput(plan, input, [
        ...(search.isKeyFramesOnly ? ['-skip_frame', 'nokey'] : []),
        ...seek,
        ...['-t', seconds(search.windowSeconds)],
      ]),
    ],
    filterGraph: `[0:${plan.source.videoStreamIndex}]${posterFilters(plan, search.skipsBlack).join(',')}[poster]`,
    outputs: [
      {
        options: [
          ...['-map', '[poster]', '-an', '-sn', '-dn', '-frames:v', '1', ...ANONYMOUS],
          // The key frame before the seek point has a negative time; constant rate would drop it.
          ...['-fps_mode', 'passthrough', ...jpeg(3)],
          ...['-f', 'image2', '-update', '1'],
        ],
        path,
      },
    ],
  };
}

/**
 * Tiles, JPEGs one after another in one file, laid out on sheets from left to right and down.
 *
 * @param sheetPattern With `%03d` for the sheet's number, from 0.
 */
export function sheetsCommand(
  { columns, rows, tileCount, sheetCount }: PlannedThumbnails,
  tilesPath: string,
  sheetPattern: string,
): FfmpegCommand {
  const empty = sheetCount * columns * rows - tileCount;
  return {
    inputs: [ownInput(tilesPath, 'mjpeg')],
    filterGraph: `[0:v:0]tpad=stop=${empty}:color=black,tile=${columns}x${rows}[sheets]`,
    outputs: [
      {
        options: [
          ...['-map', '[sheets]', '-an', ...ANONYMOUS, '-fps_mode', 'passthrough', ...jpeg(4)],
          ...['-f', 'image2', '-start_number', '0'],
        ],
        path: sheetPattern,
      },
    ],
  };
}

/** Frames of a preview: first (inclusive), end (exclusive). */
export type PreviewSpot = { firstFrame: number; endFrame: number };

const PREVIEW_FPS = 8;
const PREVIEW_LONG_SIDE_PIXELS = 320;

/** A small animated WebP of some spots of a track, one after another, which plays for ever. */
export function previewCommand(
  plan: Plan,
  spots: readonly PreviewSpot[],
  trackPath: string,
  path: string,
): FfmpegCommand {
  // Half a frame around each, since times are rounded.
  const isShown = spots.map(({ firstFrame, endFrame }) => {
    return `between(t,${seconds(frameSeconds(firstFrame - 0.5, plan.fps))},${seconds(frameSeconds(endFrame - 0.5, plan.fps))})`;
  });
  const { width, height } = plan.display;
  const side = PREVIEW_LONG_SIDE_PIXELS;
  const filters = [
    `select='${isShown.join('+')}'`,
    `setpts=N*${plan.fps.den}/${plan.fps.num}/TB`,
    `fps=${PREVIEW_FPS}`,
    // WebP pictures are BT.601 in limited range.
    `scale=${width >= height ? `${side}:-2` : `-2:${side}`}:flags=bicubic:out_color_matrix=bt601:out_range=tv`,
    'format=yuv420p',
  ];
  return {
    inputs: [ownInput(trackPath, 'mov', ['-copyts'])],
    filterGraph: `[0:v:0]${filters.join(',')}[preview]`,
    outputs: [
      {
        options: [
          ...['-map', '[preview]', '-an', ...ANONYMOUS, '-fps_mode', 'passthrough'],
          ...['-c:v', 'libwebp_anim', '-quality', '60', '-compression_level', '4', '-threads', '1'],
          ...['-loop', '0', '-f', 'webp'],
        ],
        path,
      },
    ],
  };
}

/** A file of our own making, read as carefully as any. */
function ownInput(path: string, demuxer: string, options: string[] = []): FfmpegCommand['inputs'][number] {
  return { options: [...GLOBAL_OPTIONS, ...inputOptions({ url: path, demuxer }), ...options], url: path };
}

/** @param quality From 2 (best) to 31. */
function jpeg(quality: number): string[] {
  return ['-c:v', 'mjpeg', '-q:v', String(quality), '-threads', '1', '-flags:v', '+bitexact'];
}

// Filter graphs: from the decoder's frames to what each output shows.
import type { Plan } from '../../shared/plan.ts';

const POSTER_LONG_SIDE_PIXELS = 1280;
/** Pictures the poster is picked from. They wait in memory, already small. */
const POSTER_CANDIDATES = 12;

/**
 * One decode, then down the sizes: each is scaled from the next larger one, which costs half of scaling each from the
 * source, and goes to every rung that has it. Outputs are labelled `[v0]` upwards, as in `plan.renditions`; `[tiles]` are
 * taken from the smallest where the run's first frame is given as `tilesFromFrame`. With `everyFrames` only every nth
 * frame of the run gets this far.
 */
export function chunkFilterGraph(
  plan: Plan,
  run: { startSeconds: string; heldFrames: number; tilesFromFrame?: number; everyFrames?: number },
): string {
  const sizes = sizesOf(plan);
  const top = sizes.length - 1;
  const largest = sizes[top]!;
  const source = [
    ...upright(plan),
    // In the track's own ticks every frame time of the grid is a whole number, so the fps filter rounds a
    // source frame the same way wherever its chunk begins.
    `settb=1/${plan.timescale}`,
    // Otherwise a last picture that is said to last less than half a frame would never be shown.
    `fps=fps=${plan.fps.num}/${plan.fps.den}:start_time=${run.startSeconds}:round=near:eof_action=pass`,
    ...(run.heldFrames > 0 ? [`tpad=stop_mode=clone:stop=${run.heldFrames}`] : []),
    ...(run.everyFrames ? [everyNth(run.everyFrames)] : []),
    ...shape(plan, largest),
  ];
  const tiles = run.tilesFromFrame === undefined ? undefined : tileFilters(plan, run.tilesFromFrame);
  const fork = (index: number) => endOf(sizes[index]!.rungs, index, tiles !== undefined);
  const graph = [`[0:${plan.source.videoStreamIndex}]${source.join(',')}${fork(top)}`];
  for (let index = top - 1; index >= 0; index--) {
    const { width, height } = sizes[index]!;
    graph.push(`[s${index}]scale=${width}:${height}:flags=bicubic,setsar=1${fork(index)}`);
  }
  if (tiles) graph.push(`[t]${tiles.join(',')}[tiles]`);
  return graph.join(';');
}

/** Fits the display size into the poster's, drops black pictures where asked, and picks the most typical. */
export function posterFilters(plan: Plan, skipsBlack: boolean): string[] {
  const { width, height } = plan.display;
  const factor = Math.min(1, POSTER_LONG_SIDE_PIXELS / Math.max(width, height));
  const even = (side: number) => Math.max(2, 2 * Math.round((side * factor) / 2));
  return [
    ...upright(plan),
    ...shape(plan, { width: even(width), height: even(height) }),
    // 98 % of the pixels darker than 32 of 255 is a black picture, as `blackframe` defines it.
    ...(skipsBlack
      ? [
          'blackframe=amount=0:threshold=32',
          'metadata=mode=select:key=lavfi.blackframe.pblack:value=98:function=less',
        ]
      : []),
    `thumbnail=n=${POSTER_CANDIDATES}`,
    `scale=${toJpegColors(plan)}`,
    'format=yuvj420p',
  ];
}

type RungSize = { width: number; height: number; rungs: number[] };

/** The sizes of the plan's renditions, smallest first, and the renditions that have them. */
function sizesOf({ renditions }: Plan): RungSize[] {
  const sizes: RungSize[] = [];
  for (const [index, { width, height }] of renditions.entries()) {
    const known = sizes.find((size) => size.width === width && size.height === height);
    if (known) known.rungs.push(index);
    else sizes.push({ width, height, rungs: [index] });
  }
  return sizes.sort((a, b) => a.width * a.height - b.width * b.height);
}

/** Ends size `index`: its rungs, and the feed of what is below, a size or the tiles, where there is anything. */
function endOf(rungs: readonly number[], index: number, hasTiles: boolean): string {
  const below = index > 0 ? [`[s${index - 1}]`] : hasTiles ? ['[t]'] : [];
  const ends = [...rungs.map((rung) => `[v${rung}]`), ...below];
  return ends.length === 1 ? ends[0]! : `,split=${ends.length}${ends.join('')}`;
}

/** The frames of the plan's tile grid, small, out of a run that begins with `firstFrame`. */
function tileFilters(plan: Plan, firstFrame: number): string[] {
  if (!plan.thumbnails) return [];
  const { intervalFrames, tileWidth, tileHeight } = plan.thumbnails;
  return [
    `select='not(mod(n+${firstFrame % intervalFrames},${intervalFrames}))'`,
    `scale=${tileWidth}:${tileHeight}:flags=bicubic:${toJpegColors(plan)}`,
    'format=yuvj420p',
  ];
}

/** The first of the frames it is given, and every nth after it. */
export function everyNth(frames: number): string {
  return `select='not(mod(n,${frames}))'`;
}

/** A JPEG is always read as BT.601 in full range. */
function toJpegColors(plan: Plan): string {
  return `in_color_matrix=${scalerMatrix(plan)}:out_color_matrix=bt601:out_range=pc`;
}

/** Whole pictures, the right way up. What works on them takes pictures of one size alone, hence the scaler. */
function upright(plan: Plan): string[] {
  const { codedWidth, codedHeight, isInterlaced, isMirrored, rotationDegrees } = plan.source;
  const filters = [
    ...(isInterlaced ? ['bwdif=mode=send_frame:deint=interlaced'] : []),
    ...(isMirrored ? ['hflip'] : []),
    ...(TURNS[rotationDegrees] ?? []),
  ];
  return filters.length > 0 ? [`scale=${codedWidth}:${codedHeight}`, ...filters] : [];
}

const TURNS: Record<number, string[]> = {
  90: ['transpose=clock'],
  180: ['hflip', 'vflip'],
  270: ['transpose=cclock'],
};

/** To the given size in square pixels, limited range, 8 bits, SDR. */
function shape(plan: Plan, size: { width: number; height: number }): string[] {
  const scale = `scale=${size.width}:${size.height}:flags=bicubic`;
  if (!plan.source.isHdr) {
    // Named on both sides, so that YUV keeps its numbers whatever a single frame says, and RGB gets the right ones.
    const matrix = scalerMatrix(plan);
    return [
      `${scale}:in_color_matrix=${matrix}:out_color_matrix=${matrix}:out_range=tv`,
      'setsar=1',
      'format=yuv420p',
    ];
  }
  return [
    scale,
    'setsar=1',
    // BT.2100 defines PQ and HLG on BT.2020 primaries; files that leave the tags out would stop zscale.
    'setparams=color_primaries=bt2020:colorspace=bt2020nc',
    'zscale=t=linear:npl=100',
    'format=gbrpf32le',
    'zscale=p=bt709',
    'tonemap=hable:desat=0',
    'zscale=t=bt709:m=bt709:r=tv',
    'format=yuv420p',
  ];
}

/** The plan's matrix in the scaler's words. */
function scalerMatrix({ color }: Plan): string {
  return color.matrix === 'bt709' ? 'bt709' : color.matrix === 'bt2020nc' ? 'bt2020' : 'bt601';
}

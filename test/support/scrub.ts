// What a viewer sees while dragging the seek bar: Shaka's thumbnails of a DASH stream, beside the stream's pictures.
import type { Browser } from 'playwright-core';

export type Scrubbed = {
  /** What the tile says it stands for. */
  startSeconds: number;
  durationSeconds: number;
  width: number;
  height: number;
  /** Mean difference of the tile, 0 to 255, to the stream's picture at the start of each tile that was asked for. */
  differences: number[];
};

/** The thumbnail that Shaka shows for each of these moments, which must have different ones. */
export async function scrub(
  browser: Browser,
  pageUrl: string,
  dashUrl: string,
  seconds: number[],
): Promise<Scrubbed[]> {
  const page = await browser.newPage();
  try {
    await page.goto(pageUrl);
    return (await page.evaluate(
      `${SCRUB}(${JSON.stringify(dashUrl)}, ${JSON.stringify(seconds)})`,
    )) as Scrubbed[];
  } finally {
    await page.close();
  }
}

// Runs in the page: a string, so that no bundler or type of this side touches it.
const SCRUB = `(async (url, moments) => {
  const video = document.getElementById('video');
  const player = new shaka.Player();
  player.configure({ abr: { enabled: false } });
  await player.attach(video);
  await player.load(url);
  const tracks = await player.getImageTracks();
  if (tracks.length !== 1) throw new Error(tracks.length + ' image tracks');
  const canvas = document.createElement('canvas');
  canvas.width = 32; canvas.height = 18;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const pixels = (...source) => {
    context.imageSmoothingQuality = 'high';
    context.drawImage(...source, 0, 0, 32, 18);
    return context.getImageData(0, 0, 32, 18).data.filter((_, index) => index % 4 < 3);
  };
  const tiles = [];
  for (const moment of moments) {
    const tile = await player.getThumbnails(tracks[0].id, moment);
    const sheet = await createImageBitmap(await (await fetch(tile.uris[0])).blob());
    const shown = pixels(sheet, tile.positionX, tile.positionY, tile.width, tile.height);
    const sought = new Promise((resolve) => video.addEventListener('seeked', resolve, { once: true }));
    video.currentTime = tile.startTime + 0.005;
    await sought;
    tiles.push({ ...tile, shown, picture: pixels(video, 0, 0, video.videoWidth, video.videoHeight) });
  }
  await player.destroy();
  const difference = (one, other) =>
    one.reduce((total, value, index) => total + Math.abs(value - other[index]), 0) / one.length;
  return tiles.map(({ startTime, duration, width, height, shown }) => ({
    startSeconds: startTime, durationSeconds: duration, width, height,
    differences: tiles.map(({ picture }) => difference(shown, picture)),
  }));
})`;

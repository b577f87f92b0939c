// Image tiles of an MPD (DASH-IF IOP §6.2.6): they exist, and are as large as the MPD says.
import type { Findings } from './findings.ts';
import type { Representation } from './mpd.ts';
import { sampleOf } from './presentation.ts';
import type { ResourceLibrary } from './resource-library.ts';

export async function checkImages(
  findings: Findings,
  { id, attributes, rendition, tiles }: Representation,
  library: ResourceLibrary,
  isDeep: boolean,
): Promise<void> {
  const { segments, url } = rendition;
  findings.see('images', url, tiles ? undefined : `${id} does not say how its tiles are laid out.`);
  const chosen = isDeep ? segments : sampleOf(rendition, 0).map((index) => segments[index]!);
  const width = Number(attributes.width);
  const height = Number(attributes.height);
  for (const segment of chosen) {
    const answer = await library.bytes(segment, 'image');
    if (!answer) continue;
    const size = jpegSize(answer.bytes);
    if (!size) findings.see('images', segment.url, 'It is no JPEG.');
    else {
      const problem = `It is ${size.width}x${size.height}, the MPD says ${width}x${height}.`;
      findings.see(
        'images',
        segment.url,
        size.width === width && size.height === height ? undefined : problem,
      );
    }
  }
}

/** From the frame header (ITU-T T.81 §B.2.2). */
export function jpegSize(bytes: Uint8Array): { width: number; height: number } | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!;
    const two = (offset: number) => (bytes[at + offset]! << 8) | bytes[at + offset + 1]!;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: two(5), width: two(7) };
    at += 2 + two(2);
  }
  return undefined;
}

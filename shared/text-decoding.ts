// Bytes of a subtitle file to text. SRT files carry no word about their encoding.
import { AppError } from './errors.ts';

/**
 * UTF-8 or UTF-16 by mark or by look, else Latin-1 as Windows has it.
 *
 * @throws AppError subtitles_invalid for bytes that are no text.
 */
export function decodeText(bytes: Uint8Array): string {
  const text = decoded(bytes);
  if ([...text].some(isBinary)) {
    throw new AppError('subtitles_invalid', { detail: 'The file is not text.' });
  }
  return text;
}

/** Line ends, tabs and the escapes of old teletext conversions are text. */
function isBinary(character: string): boolean {
  const code = character.codePointAt(0)!;
  return code < 0x20 && ![0x09, 0x0a, 0x0c, 0x0d, 0x1b].includes(code);
}

function decoded(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  const unmarked = utf16WithoutMark(bytes);
  if (unmarked) return new TextDecoder(unmarked).decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** Digits and arrows have a zero byte in UTF-16; the header of a subtitle file is made of them. */
function utf16WithoutMark(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  const head = bytes.subarray(0, 64);
  const zeros = [0, 0];
  for (const [index, byte] of head.entries()) if (byte === 0) zeros[index % 2]!++;
  const most = head.length * 0.4;
  if (head.length < 8) return undefined;
  if (zeros[1]! >= most && zeros[0] === 0) return 'utf-16le';
  return zeros[0]! >= most && zeros[1] === 0 ? 'utf-16be' : undefined;
}

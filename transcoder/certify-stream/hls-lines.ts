// The grammar of HLS playlists (RFC 8216 §4): lines, attribute lists, and the version that a feature needs.
import { type Attributes, attributesOf } from '../certificate/read-manifests.ts';

export type Tag = { name: string; value: string; line: number };
export type PlaylistLine = Tag | { uri: string; line: number };

/** Tags and URIs with their line numbers; comments and empty lines are left out. */
export function playlistLines(text: string): PlaylistLine[] {
  return text.split(/\r?\n/).flatMap((raw, index): PlaylistLine[] => {
    const line = index + 1;
    const trimmed = raw.trimEnd();
    if (trimmed === '' || (trimmed.startsWith('#') && !trimmed.startsWith('#EXT'))) return [];
    if (!trimmed.startsWith('#')) return [{ uri: trimmed, line }];
    const colon = trimmed.indexOf(':');
    const name = colon === -1 ? trimmed.slice(1) : trimmed.slice(1, colon);
    return [{ name, value: colon === -1 ? '' : trimmed.slice(colon + 1), line }];
  });
}

/** Faults of playlists in the order they are met. */
export class Faults {
  readonly problems: string[] = [];

  add(line: number, problem: string): void {
    this.problems.push(`Line ${line}: ${problem}.`);
  }
}

const ATTRIBUTE = /^[A-Z0-9-]+=(?:"[^"]*"|[^",\s]+)$/;

/** The attributes of a tag, with everything reported that is not an attribute list or lacks what it must have. */
export function checkedAttributes(tag: Tag, required: readonly string[], faults: Faults): Attributes {
  const parts = tag.value.match(/(?:[^,"]|"[^"]*")+/g) ?? [];
  const names = parts.map((part) => part.slice(0, part.indexOf('=')));
  const broken = parts.find((part) => !ATTRIBUTE.test(part));
  if (broken !== undefined) faults.add(tag.line, `${tag.name} has the malformed attribute ${broken}`);
  const double = names.find((name, index) => names.indexOf(name) !== index);
  if (double !== undefined) faults.add(tag.line, `${tag.name} has ${double} twice`);
  const attributes = attributesOf(tag.value);
  for (const name of required) {
    if (attributes[name] === undefined) faults.add(tag.line, `${tag.name} has no ${name}`);
  }
  return attributes;
}

/** @returns NaN, reported, for what is no decimal-integer. */
export function checkedInteger(tag: Tag, value: string, faults: Faults): number {
  if (/^\d{1,16}$/.test(value)) return Number(value);
  faults.add(tag.line, `${tag.name} has ${JSON.stringify(value)} where a whole number must be`);
  return Number.NaN;
}

export type ParsedRange = { sizeBytes: number; offset?: number };

/** `n[@o]` */
export function parseRange(value: string): ParsedRange | undefined {
  const [, size, offset] = /^(\d+)(?:@(\d+))?$/.exec(value) ?? [];
  if (size === undefined) return undefined;
  return { sizeBytes: Number(size), ...(offset !== undefined && { offset: Number(offset) }) };
}

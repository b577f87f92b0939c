// Reads any MPD (ISO/IEC 23009-1) into representations with their segments. The certificate's own reader knows
// only the form that we write.

import { resolveUrl } from './load-hls.ts';
import { type Addressed, addressing, segmentsOf } from './mpd-segments.ts';
import type { Rendition } from './presentation.ts';
import { childrenNamed, readXml, type XmlElement } from './xml.ts';

export type Representation = {
  id: string;
  kind: Rendition['kind'] | 'image';
  /** Its own attributes over those of its adaptation set. */
  attributes: Record<string, string>;
  channels: string | undefined;
  /** Columns and rows of an image tile. */
  tiles: { columns: number; rows: number } | undefined;
  isProtected: boolean;
  rendition: Rendition;
  /** Its segments lie in an index that must be fetched. */
  index: Addressed['index'];
  period: number;
};

export type Mpd = {
  url: string;
  isStatic: boolean;
  durationSeconds: number | undefined;
  minBufferSeconds: number;
  representations: Representation[];
  problems: string[];
};

/** Undefined for what is no MPD at all. */
export function readMpd(text: string, url: string): Mpd | undefined {
  if (!/<(?:\w+:)?MPD[\s>]/.test(text)) return undefined;
  const root = readXml(text);
  const problems: string[] = [];
  const mpd: Mpd = {
    url,
    isStatic: true,
    durationSeconds: undefined,
    minBufferSeconds: 0,
    representations: [],
    problems,
  };
  if (typeof root === 'string') {
    problems.push(root);
    return mpd;
  }
  const need = (element: XmlElement, ...names: string[]) => {
    for (const name of names) {
      if (element.attributes[name] === undefined) problems.push(`${element.name} has no ${name}.`);
    }
  };
  need(root, 'profiles', 'minBufferTime');
  mpd.isStatic = root.attributes.type !== 'dynamic';
  mpd.durationSeconds = readDuration(root.attributes.mediaPresentationDuration);
  mpd.minBufferSeconds = readDuration(root.attributes.minBufferTime) ?? 0;
  const periods = childrenNamed(root, 'Period');
  if (periods.length === 0) problems.push('There is no Period.');
  if (
    mpd.isStatic &&
    mpd.durationSeconds === undefined &&
    periods.some(({ attributes }) => !attributes.duration)
  )
    problems.push('There is no mediaPresentationDuration.');
  const rootUrl = baseUrl(root, url);
  periods.forEach((period, index) => {
    const periodUrl = baseUrl(period, rootUrl);
    const seconds =
      readDuration(period.attributes.duration) ?? (periods.length === 1 ? mpd.durationSeconds : undefined);
    for (const set of childrenNamed(period, 'AdaptationSet')) {
      const setUrl = baseUrl(set, periodUrl);
      if (childrenNamed(set, 'Representation').length === 0)
        problems.push('An AdaptationSet has no Representation.');
      for (const element of childrenNamed(set, 'Representation')) {
        need(element, 'id', 'bandwidth');
        const path = [period, set, element];
        mpd.representations.push(
          representation(path, baseUrl(element, setUrl), { index, seconds, url, problems }),
        );
      }
    }
  });
  const ids = mpd.representations.map(({ id, period }) => `${period} ${id}`);
  if (new Set(ids).size < ids.length) problems.push('Two Representations have the same id.');
  return mpd;
}

type Context = { index: number; seconds: number | undefined; url: string; problems: string[] };

function representation(path: XmlElement[], base: string, context: Context): Representation {
  const [, set, element] = path as [XmlElement, XmlElement, XmlElement];
  const attributes = { ...set.attributes, ...element.attributes };
  const id = element.attributes.id ?? '';
  const both = (name: string) => [...childrenNamed(element, name), ...childrenNamed(set, name)];
  const { kind, tiles } = kindOf(attributes, both('EssentialProperty'));
  if (!attributes.mimeType) context.problems.push(`Representation ${id} has no mimeType.`);
  const found = addressing(path);
  const { segments, index, offsetSeconds, problem } = segmentsOf(found, { id, base, ...context, attributes });
  if (problem) context.problems.push(`Representation ${id}: ${problem}`);
  return {
    ...{ id, kind, attributes, tiles, index },
    channels: both('AudioChannelConfiguration')[0]?.attributes.value,
    isProtected: both('ContentProtection').length > 0,
    rendition: {
      name: id,
      url: context.url,
      kind: kind === 'image' ? 'other' : kind,
      segments: segments.map((one) => ({ ...one, startSeconds: one.startSeconds - offsetSeconds })),
      presentationOffsetSeconds: offsetSeconds,
    },
    period: context.index,
  };
}

const TILE_SCHEME = /thumbnail_tile$/;

function kindOf(
  attributes: Record<string, string>,
  properties: XmlElement[],
): Pick<Representation, 'kind' | 'tiles'> {
  const type = `${attributes.contentType ?? ''} ${attributes.mimeType ?? ''} ${attributes.codecs ?? ''}`;
  const tile = properties.find(({ attributes: { schemeIdUri } }) => TILE_SCHEME.test(schemeIdUri ?? ''));
  const [, columns, rows] = /^(\d+)x(\d+)$/.exec(tile?.attributes.value ?? '') ?? [];
  const tiles = columns ? { columns: Number(columns), rows: Number(rows) } : undefined;
  if (/\bimage\b/.test(type)) return { kind: 'image', tiles };
  if (/\bvideo\b/.test(type)) return { kind: 'video', tiles };
  if (/\baudio\b/.test(type)) return { kind: 'audio', tiles };
  return { kind: /text|ttml|wvtt|stpp/.test(type) ? 'text' : 'other', tiles };
}

function baseUrl(element: XmlElement, parent: string): string {
  const own = childrenNamed(element, 'BaseURL')[0]?.text;
  return own ? resolveUrl(own, parent) : parent;
}

/** ISO 8601 of days and less. */
export function readDuration(text: string | undefined): number | undefined {
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(text ?? '');
  if (!match) return undefined;
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = match;
  return ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
}

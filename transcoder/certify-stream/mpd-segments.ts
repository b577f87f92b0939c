// Segment addressing of an MPD: templates with a timeline or a duration, lists, and single files with an index.
import { resolveUrl } from './load-hls.ts';
import type { InitRef, Segment } from './presentation.ts';
import type { ByteRange } from './stream-reader.ts';
import { childrenNamed, type XmlElement } from './xml.ts';

export type Addressing = {
  form: 'template' | 'list' | 'base' | 'none';
  attributes: Record<string, string>;
  elements: XmlElement[];
};
export type Place = {
  id: string;
  base: string;
  seconds: number | undefined;
  attributes: Record<string, string>;
};
export type Addressed = {
  segments: Segment[];
  /** Of a single file: where its index and its init segment are. */
  index: { url: string; range: ByteRange | undefined; init: InitRef } | undefined;
  offsetSeconds: number;
  problem?: string;
};

const FORMS = { SegmentTemplate: 'template', SegmentList: 'list', SegmentBase: 'base' } as const;
const MAX_SEGMENTS = 200_000;

/** What holds for a Representation: the innermost addressing, with attributes it inherits. */
export function addressing(path: readonly XmlElement[]): Addressing {
  for (const [name, form] of Object.entries(FORMS)) {
    const elements = path.flatMap((element) => childrenNamed(element, name));
    if (elements.length === 0) continue;
    const attributes = Object.assign({}, ...elements.map((element) => element.attributes)) as Record<
      string,
      string
    >;
    return { form, attributes, elements: elements.toReversed() };
  }
  return { form: 'none', attributes: {}, elements: [] };
}

export function segmentsOf({ form, attributes, elements }: Addressing, place: Place): Addressed {
  const timescale = Number(attributes.timescale ?? 1);
  const offsetTicks = Number(attributes.presentationTimeOffset ?? 0);
  const offsetSeconds = offsetTicks / timescale;
  const nothing = { segments: [], index: undefined, offsetSeconds };
  const inner = (name: string) => elements.flatMap((element) => childrenNamed(element, name))[0];
  if (form === 'none') {
    // A single file: an image, a text file.
    const url = place.base;
    return {
      ...nothing,
      segments: [
        segmentAt(0, url, { startTicks: 0, durationTicks: place.seconds ?? 0, timescale: 1 }, undefined),
      ],
    };
  }
  if (form === 'base') {
    const range = rangeOf(attributes.indexRange);
    const init = { url: place.base, range: rangeOf(inner('Initialization')?.attributes.range) };
    const problem = range && init.range ? {} : { problem: 'SegmentBase does not say where its index is.' };
    return { ...nothing, index: { url: place.base, range, init }, ...problem };
  }
  const times = timesOf(inner('SegmentTimeline'), { ...attributes }, { timescale, offsetTicks, ...place });
  if (typeof times === 'string') return { ...nothing, problem: times };
  const first = Number(attributes.startNumber ?? 1);
  const fill = (template: string, index: number, time: number) =>
    resolveUrl(filled(template, place, first + index, time), place.base);
  if (form === 'template') {
    const { media, initialization } = attributes;
    if (media === undefined) return { ...nothing, problem: 'SegmentTemplate has no media.' };
    const init = initialization === undefined ? undefined : { url: fill(initialization, 0, 0) };
    return {
      ...nothing,
      segments: times.map((time, index) => segmentAt(index, fill(media, index, time.startTicks), time, init)),
    };
  }
  const initialization = inner('Initialization')?.attributes;
  const init = initialization && {
    url: resolveUrl(initialization.sourceURL ?? '', place.base),
    range: rangeOf(initialization.range),
  };
  const listed = childrenNamed(elements[0]!, 'SegmentURL');
  const segments = listed.map(({ attributes: { media, mediaRange } }, index) => {
    const last = times.at(-1);
    // More than the duration accounts for: what is left over.
    const endTicks = last ? last.startTicks + last.durationTicks : offsetTicks;
    const time = times[index] ?? { startTicks: endTicks, durationTicks: 0, timescale };
    return {
      ...segmentAt(index, resolveUrl(media ?? '', place.base), time, init),
      range: rangeOf(mediaRange),
    };
  });
  return { ...nothing, segments };
}

type Time = { startTicks: number; durationTicks: number; timescale: number; isExact?: boolean };
type Clock = Place & { timescale: number; offsetTicks: number };

function timesOf(
  timeline: XmlElement | undefined,
  attributes: Record<string, string>,
  clock: Clock,
): Time[] | string {
  const { timescale, offsetTicks, seconds } = clock;
  if (!(timescale > 0)) return `The timescale is ${timescale}.`;
  if (timeline) return timelineTimes(timeline, clock);
  const durationTicks = Number(attributes.duration);
  if (!(durationTicks > 0)) return 'There is neither a SegmentTimeline nor a duration.';
  if (seconds === undefined) return 'How many segments there are is not said.';
  const last =
    Number(attributes.endNumber ?? Number.POSITIVE_INFINITY) - Number(attributes.startNumber ?? 1) + 1;
  const count = Math.min(MAX_SEGMENTS, last, Math.ceil((seconds * timescale) / durationTicks - 1e-6));
  return Array.from({ length: count }, (_, index) => {
    const startTicks = offsetTicks + index * durationTicks;
    const left = seconds * timescale - index * durationTicks;
    return { startTicks, durationTicks: Math.min(durationTicks, left), timescale };
  });
}

function timelineTimes(timeline: XmlElement, { timescale, offsetTicks, seconds }: Clock): Time[] | string {
  const times: Time[] = [];
  let ticks = offsetTicks;
  const entries = childrenNamed(timeline, 'S');
  for (const [position, { attributes }] of entries.entries()) {
    const durationTicks = Number(attributes.d);
    if (!(durationTicks > 0)) return 'An S of the timeline has no duration.';
    if (attributes.t !== undefined) ticks = Number(attributes.t);
    const nextTicks = Number(
      entries[position + 1]?.attributes.t ?? (seconds ?? Number.NaN) * timescale + offsetTicks,
    );
    const repeats = Number(attributes.r ?? 0);
    // -1: up to the next entry, or the end.
    const count = repeats >= 0 ? repeats + 1 : Math.ceil((nextTicks - ticks) / durationTicks - 1e-6);
    if (!(count >= 1) || times.length + count > MAX_SEGMENTS)
      return 'An S of the timeline repeats in a way that makes no sense.';
    for (let index = 0; index < count; index++) {
      times.push({ startTicks: ticks, durationTicks, timescale, isExact: true });
      ticks += durationTicks;
    }
  }
  return times;
}

function segmentAt(index: number, url: string, time: Time, init: Segment['init']): Segment {
  const { startTicks, durationTicks, timescale, isExact = false } = time;
  return {
    ...{ index, url, init, isDiscontinuous: false, isGap: false },
    seconds: durationTicks / timescale,
    startSeconds: startTicks / timescale,
    toleranceSeconds: 1 / timescale,
    placed: { startTicks, durationTicks, timescale, isExact },
  };
}

/** `$Number%03d$` and its like (ISO/IEC 23009-1 §5.3.9.4.4). */
function filled(template: string, { id, attributes }: Place, number: number, time: number): string {
  const values: Record<string, string | number> = {
    RepresentationID: id,
    Number: number,
    Time: time,
    Bandwidth: attributes.bandwidth ?? '',
  };
  return template.replace(/\$(\w*)(?:%0(\d+)d)?\$/g, (whole, name: string, width?: string) => {
    if (name === '') return '$';
    const value = values[name];
    return value === undefined ? whole : String(value).padStart(Number(width ?? 0), '0');
  });
}

/** `first-last` */
export function rangeOf(text: string | undefined): ByteRange | undefined {
  const [, first, last] = /^(\d+)-(\d+)$/.exec(text ?? '') ?? [];
  return first === undefined
    ? undefined
    : { offset: Number(first), sizeBytes: Number(last) - Number(first) + 1 };
}

// Chapters of a video: what the source says, made safe, and the WebVTT file web players read.
import { z } from 'zod';
import { escapeCueText, plainTitle } from './cue-text.ts';
import { writeWebVtt } from './webvtt.ts';

export const Chapter = z.object({ startSeconds: z.number(), endSeconds: z.number(), title: z.string() });
export type Chapter = z.infer<typeof Chapter>;

export type SourceChapter = { startSeconds: number; endSeconds: number; title?: string | undefined };

const MAX_CHAPTERS = 500;
const MAX_TITLE_CHARS = 200;

/** In order, inside the video, none of them empty; without a title of their own they are numbered. */
export function keptChapters(found: readonly SourceChapter[], durationSeconds: number): Chapter[] {
  return found
    .map(({ startSeconds, endSeconds, title }) => ({
      startSeconds: milliseconds(Math.max(0, startSeconds)),
      endSeconds: milliseconds(Math.min(endSeconds, durationSeconds)),
      title: plainTitle(title, MAX_TITLE_CHARS),
    }))
    .filter(({ startSeconds, endSeconds }) => startSeconds < endSeconds)
    .sort((a, b) => a.startSeconds - b.startSeconds)
    .slice(0, MAX_CHAPTERS)
    .map((chapter, index) => ({ ...chapter, title: chapter.title ?? `Chapter ${index + 1}` }));
}

/** Undefined where there is none. */
export function chaptersVtt(chapters: readonly Chapter[], durationSeconds: number): string | undefined {
  const cues = chapters.map(({ startSeconds, endSeconds, title }) => ({
    startMs: Math.round(startSeconds * 1000),
    endMs: Math.round(endSeconds * 1000),
    settings: '',
    text: escapeCueText(title),
  }));
  return writeWebVtt(cues, durationSeconds);
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

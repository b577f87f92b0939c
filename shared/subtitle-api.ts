// Subtitles and chapters as the public API shows them.
import { z } from 'zod';
import { languageTag } from './language.ts';

export const SubtitleInfo = z.object({
  /** Names the track of its video: in paths of this API and in file names. */
  name: z.string(),
  language: z.string(),
  label: z.string(),
  isDefault: z.boolean(),
  isForced: z.boolean(),
  /** For people who cannot hear. */
  isCaptions: z.boolean(),
  /** Whether the track came with the video or was uploaded later; only the latter can be deleted. */
  origin: z.enum(['file', 'upload']),
});
export type SubtitleInfo = z.infer<typeof SubtitleInfo>;

const Flag = z
  .enum(['true', 'false'])
  .optional()
  .transform((text) => text === 'true');

/** The query of an upload; its body is the text itself. */
export const SubtitleQuery = z
  .object({
    language: z
      .string()
      .max(35)
      .refine((tag) => languageTag(tag) !== 'und', 'a language such as en or pt-BR')
      .transform(languageTag),
    label: z.string().trim().min(1).max(100).optional(),
    default: Flag,
    forced: Flag,
    captions: Flag,
  })
  .strict();
export type SubtitleQuery = z.infer<typeof SubtitleQuery>;

export const SubtitleList = z.object({ subtitles: z.array(SubtitleInfo) });

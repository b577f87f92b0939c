// /v1/legacy/sources: where the MP4s of titles lie that no template finds.
import { z } from 'zod';
import { ContentId } from './api.ts';

const MAX_KEY_CHARACTERS = 1024;
const MAX_URL_CHARACTERS = 8192;

export const LegacySource = z
  .object({
    kind: z.enum(['movie', 'episode']),
    contentId: ContentId,
    bucketKey: z.string().min(1).max(MAX_KEY_CHARACTERS).optional(),
    url: z.string().min(1).max(MAX_URL_CHARACTERS).optional(),
  })
  .strict()
  .refine(({ bucketKey, url }) => (bucketKey === undefined) !== (url === undefined), {
    message: 'a source has either a bucketKey or a url',
  });
export type LegacySource = z.infer<typeof LegacySource>;

export const RegisterSources = z.object({ sources: z.array(LegacySource).min(1).max(1000) }).strict();
export const RegisteredSources = z.object({ registered: z.int() });

export const SourceQuery = z.object({ cursor: z.string().optional() });
/** As it was registered, a URL without its query. */
export const LegacySourceList = z.object({
  sources: z.array(
    z.object({
      kind: z.string(),
      contentId: z.string(),
      bucketKey: z.string().optional(),
      url: z.string().optional(),
    }),
  ),
  nextCursor: z.string().optional(),
});
export type LegacySourceList = z.infer<typeof LegacySourceList>;

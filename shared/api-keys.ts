// API keys as the public API shows them.
import { z } from 'zod';
import { Role } from './api.ts';

export const CreateApiKey = z.object({ name: z.string().trim().min(1).max(100), role: Role }).strict();
export const ApiKeyInfo = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  createdAt: z.string(),
  lastUsedAt: z.string().optional(),
});
export type ApiKeyInfo = z.infer<typeof ApiKeyInfo>;
/** The key itself is in the answer to its creation and nowhere else. */
export const CreatedApiKey = ApiKeyInfo.extend({ key: z.string() });
export type CreatedApiKey = z.infer<typeof CreatedApiKey>;
export const ApiKeyList = z.object({ apiKeys: z.array(ApiKeyInfo) });

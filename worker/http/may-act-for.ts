// Whose viewer a caller may speak for.
import type { Caller } from './context.ts';

/** Viewers may do with what is their own; servers and those who manage the library with every viewer's. */
export function mayActFor({ via, role, subject, ownerId }: Caller, viewerId: string): boolean {
  if (via === 'api-key') return true;
  if (via === 'watch-link') return viewerId === '';
  return role === 'admin' || subject === viewerId || (role === 'uploader' && subject === ownerId);
}

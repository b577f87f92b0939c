// Where the MP4s of an older system lie in the bucket: keys with placeholders.

import type { LegacyTitle } from './legacy-api.ts';
import { isOwnKey } from './object-keys.ts';

/** From the most particular: a movie and an episode may have the same id. */
export const DEFAULT_SOURCE_TEMPLATES = 'videos/{folder}/{id}.mp4,{folder}/{id}.mp4,videos/{id}.mp4';

const MAX_TEMPLATES = 10;
const MAX_TEMPLATE_CHARACTERS = 500;
const PLACEHOLDERS = ['id', 'type', 'folder', 'owner'];

/** A comma-separated list, or `off`. @throws Error saying what is wrong with a template */
export function parseSourceTemplates(text: string): string[] {
  if (text.trim() === '' || text.trim() === 'off') return [];
  const templates = text.split(',').map((template) => template.trim());
  if (templates.length > MAX_TEMPLATES) throw new Error(`has more than ${MAX_TEMPLATES} templates`);
  for (const template of templates) {
    const problem = problemOf(template);
    if (problem) throw new Error(`${JSON.stringify(template)} ${problem}`);
  }
  return templates;
}

function problemOf(template: string): string | undefined {
  if (template.length > MAX_TEMPLATE_CHARACTERS) return 'is too long';
  if (!template.includes('{id}')) return 'has no {id}';
  const names = [...template.matchAll(/\{([^}]*)\}/g)].map(([, name]) => name!);
  const unknown = names.find((name) => !PLACEHOLDERS.includes(name));
  if (unknown !== undefined) return `has an unknown placeholder {${unknown}}`;
  if (template.startsWith('/') || template.startsWith('{')) {
    return template.startsWith('{folder}/') ? undefined : 'begins like no key';
  }
  return isOwnKey(template) ? 'names keys of this system itself' : undefined;
}

/** The keys to look at for a title, in order. */
export function sourceKeysOf(templates: readonly string[], title: LegacyTitle, ownerId: string): string[] {
  const values: Record<string, string> = {
    id: title.contentId,
    type: title.kind,
    folder: `${title.kind}s`,
    // An owner's id is text of the identity provider's: it never adds a folder.
    owner: encodeURIComponent(ownerId),
  };
  return templates.map((template) => template.replace(/\{([^}]*)\}/g, (_, name: string) => values[name]!));
}

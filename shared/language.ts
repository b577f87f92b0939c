// Language tags of untrusted files, made safe for file names, manifests and people.

/** A two- or three-letter BCP 47 primary language, canonical (`eng` -> `en`, `ger` -> `de`); else `und`. */
export function languageTag(declared: string | undefined): string {
  const primary = declared?.toLowerCase().split(/[-_]/)[0] ?? '';
  if (!/^[a-z]{2,3}$/.test(primary)) return 'und';
  // These say that there is no one language to name.
  if (['und', 'mul', 'mis', 'zxx'].includes(primary)) return 'und';
  return new Intl.Locale(primary).language ?? 'und';
}

/** English name of a tag from {@link languageTag}. */
export function languageLabel(tag: string): string {
  if (tag === 'und') return 'Audio';
  return new Intl.DisplayNames(['en'], { type: 'language' }).of(tag) ?? tag;
}

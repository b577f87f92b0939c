// Elements of an MPD as text.

/** Indented for an AdaptationSet. */
export function role(value: string): string {
  return `      ${emptyElement('Role', { schemeIdUri: 'urn:mpeg:dash:role:2011', value })}`;
}

/** What a track does for people who cannot see or hear: 1 for the former, 2 for the latter. */
export function accessibility(value: 1 | 2): string {
  return `      ${emptyElement('Accessibility', { schemeIdUri: 'urn:tva:metadata:cs:AudioPurposeCS:2007', value })}`;
}

type Attributes = Record<string, string | number | boolean>;

export function element(name: string, attributes: Attributes): string {
  const text = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`);
  return `<${name}${text.join('')}>`;
}

export function emptyElement(name: string, attributes: Attributes): string {
  return element(name, attributes).replace(/>$/, '/>');
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** XML 1.0 has no place for control characters, escaped or not. */
export function escaped(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ').replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

// Well-formed XML into a tree, as much of it as an MPD uses. No external entity is ever followed.
export type XmlElement = {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  text: string;
};

const MAX_DEPTH = 64;
const TOKEN =
  /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<!\[CDATA\[[\s\S]*?\]\]>|<!DOCTYPE[^>]*>|<\/([^\s>]+)\s*>|<([^\s/>]+)((?:\s+[^\s=>/]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>|[^<]+|</g;
const ATTRIBUTE = /([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The root element, or what is wrong with the text. Names are without their namespace's prefix. */
export function readXml(text: string): XmlElement | string {
  const root: XmlElement = { name: '', attributes: {}, children: [], text: '' };
  const open = [{ element: root, tag: '' }];
  for (const [token, closing, opening, attributes, isEmpty] of text.replace(/^\uFEFF/, '').matchAll(TOKEN)) {
    const { element: parent, tag } = open.at(-1)!;
    if (closing !== undefined) {
      if (closing !== tag) return `<${tag || '/'}> is closed by </${closing}>.`;
      open.pop();
    } else if (opening !== undefined) {
      const element = {
        name: localName(opening),
        attributes: attributesOf(attributes ?? ''),
        children: [],
        text: '',
      };
      parent.children.push(element);
      if (!isEmpty) open.push({ element, tag: opening });
      if (open.length > MAX_DEPTH) return 'Its elements are nested too deeply.';
    } else if (token === '<') return 'There is a tag that is none.';
    else if (!token.startsWith('<')) parent.text += decoded(token).trim();
  }
  if (open.length > 1) return `<${open.at(-1)!.tag}> is never closed.`;
  if (root.children.length !== 1) return 'There is not exactly one root element.';
  return root.children[0]!;
}

export function childrenNamed({ children }: XmlElement, name: string): XmlElement[] {
  return children.filter((child) => child.name === name);
}

function attributesOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(ATTRIBUTE)];
  return Object.fromEntries(
    pairs.map(([, name, one, other]) => [localName(name!), decoded(one ?? other ?? '')]),
  );
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

function decoded(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex) return String.fromCodePoint(Number.parseInt(hex, 16) & 0x1fffff);
    if (decimal) return String.fromCodePoint(Number(decimal) & 0x1fffff);
    return ENTITIES[name] ?? whole;
  });
}

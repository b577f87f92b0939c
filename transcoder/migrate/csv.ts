// CSV by RFC 4180: quotes, doubled quotes, line breaks in quotes; lines end with LF or CRLF.

export type CsvRow = { line: number; fields: string[] };

/** Rows with the line each begins on; blank lines are none. What follows an open quote is told as a problem. */
export function parseCsv(text: string): { rows: CsvRow[]; problem?: string } {
  const rows: CsvRow[] = [];
  let fields: string[] = [];
  let field = '';
  let line = 1;
  let startLine = 1;
  let quote: 'none' | 'open' | 'closed' = 'none';
  const endField = () => {
    fields.push(field);
    field = '';
    quote = 'none';
  };
  const endRow = () => {
    endField();
    if (fields.length > 1 || fields[0]!.trim() !== '') rows.push({ line: startLine, fields });
    fields = [];
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]!;
    if (quote === 'open') {
      if (character === '\n') line += 1;
      if (character !== '"') field += character;
      else if (text[at + 1] === '"') {
        field += '"';
        at += 1;
      } else quote = 'closed';
    } else if (character === '"' && quote === 'none' && field.trim() === '') {
      field = '';
      quote = 'open';
    } else if (character === ',') endField();
    else if (character === '\n') {
      endRow();
      line += 1;
      startLine = line;
    } else if (character !== '\r' && !(quote === 'closed' && character.trim() === '')) field += character;
  }
  if (quote === 'open') return { rows, problem: `line ${startLine}: a quote is never closed` };
  if (field !== '' || fields.length > 0) endRow();
  return { rows };
}

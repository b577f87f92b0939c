// Forms as curl writes them, and wrong ones.

export type FormPart =
  | { name: string; value: string }
  | { name: string; filename: string; bytes: Uint8Array; type?: string };

export type Form = { body: Uint8Array<ArrayBuffer>; headers: Record<string, string> };

export function formOf(parts: FormPart[], boundary = '------------------------d74496d66958873e'): Form {
  const pieces = parts.flatMap((part) => {
    const isFile = 'bytes' in part;
    const filename = isFile ? `; filename="${part.filename}"` : '';
    const type = isFile ? `Content-Type: ${part.type ?? 'video/mp4'}\r\n` : '';
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${part.name}"${filename}\r\n${type}\r\n`;
    return [text(head), isFile ? part.bytes : text(part.value), text('\r\n')];
  });
  return {
    body: joined([...pieces, text(`--${boundary}--\r\n`)]),
    headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` },
  };
}

/** As in `curl -F video=@clip.mp4 -F content_type=movie -F content_id=123`, in this order unless another is asked for. */
export function uploadForm(
  bytes: Uint8Array,
  contentId: string,
  { type = 'movie', fieldsFirst = false }: { type?: string; fieldsFirst?: boolean } = {},
): Form {
  const file = { name: 'video', filename: 'clip.mp4', bytes };
  const fields = [
    { name: 'content_type', value: type },
    { name: 'content_id', value: contentId },
  ];
  return formOf(fieldsFirst ? [...fields, file] : [file, ...fields]);
}

export function text(characters: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(characters));
}

export function joined(pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

let lastId = Math.floor(Date.now() / 1000) * 1000;

/** A numeric content id that nobody has used. */
export function freshId(): string {
  lastId += 1;
  return String(lastId);
}

/** Begins like an MP4; what follows differs from place to place, so that a misplaced part would show. */
export function clipBytes(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  const words = new Uint32Array(bytes.buffer, 0, Math.floor(sizeBytes / 4));
  for (let index = 0; index < words.length; index++) words[index] = Math.imul(index + 1, 2654435761);
  bytes.set([0, 0, 0, 16, ...text('ftypisom'), 0, 0, 2, 0]);
  return bytes;
}

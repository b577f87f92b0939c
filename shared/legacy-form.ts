// The form of an upload on its way into storage: one part of the file is held at a time, and the fields. The file may
// come before or after the fields, so its upload is opened when the first part is full or the form has ended.
import { AppError } from './errors.ts';
import {
  hasTitle,
  type LegacyTitle,
  MAX_FIELD_BYTES,
  requireNewField,
  titleIn,
  type WholeForm,
} from './legacy-api.ts';
import { SNIFF_BYTES, uploadPartSizeBytes } from './limits.ts';
import { FormParser, formBoundary } from './multipart-form.ts';
import { sniffContainer } from './sniff.ts';

export type IncomingForm = {
  contentType: string | null | undefined;
  /** Of the whole form; undefined where the client did not say. */
  contentLengthBytes: number | undefined;
  /** The next bytes of the body, undefined at its end. */
  next: () => Promise<Uint8Array | undefined>;
};

export type FormFile = {
  filename: string;
  /** The file's, where the form has ended by now; else the most it can have. */
  sizeBytes: number;
  /** Known where the fields came first. */
  title: LegacyTitle | undefined;
  /** Lower-case hex, of the file; known where the form has ended. */
  sha256: string | undefined;
};

/** Where the file goes. Parts come in order, all but the last of one size. */
export type FormTarget = {
  open(file: FormFile): Promise<void>;
  putPart(number: number, bytes: Uint8Array): Promise<void>;
  /** The last part, and what the form turned out to be. */
  finish(form: WholeForm, last: { number: number; bytes: Uint8Array }): Promise<{ jobId: string }>;
};

export type FileDigest = { add(bytes: Uint8Array): void | Promise<void>; hex(): string | Promise<string> };

export type FormLimits = { maxBytes: number; tooLarge: () => AppError };

/** @throws AppError of the form, of the file, or the target's */
export async function receiveForm(
  form: IncomingForm,
  limits: FormLimits,
  target: FormTarget,
  digest: FileDigest,
): Promise<{ jobId: string }> {
  const parser = new FormParser(formBoundary(form.contentType));
  const fields = new FieldReader();
  const boundBytes = form.contentLengthBytes ?? limits.maxBytes;
  if (boundBytes > limits.maxBytes) throw limits.tooLarge();
  let file: FileReader | undefined;
  let isInFile = false;
  let takenBytes = 0;
  for (let piece = await form.next(); piece !== undefined; piece = await form.next()) {
    takenBytes += piece.byteLength;
    if (takenBytes > limits.maxBytes) throw limits.tooLarge();
    for (const event of parser.feed(piece)) {
      if (event.type === 'part') {
        isInFile = event.name === 'video';
        if (!isInFile) fields.begin(event.name, event.filename);
        else {
          if (file) throw new AppError('form_file_repeated');
          if (event.filename === undefined) throw new AppError('form_file_missing', { detail: NO_FILENAME });
          file = new FileReader(nameOf(event.filename), boundBytes, fields, target, digest);
        }
      } else if (event.type === 'data') {
        if (isInFile) await file!.add(event.bytes);
        else fields.add(event.bytes);
      }
    }
  }
  parser.finish();
  const title = titleIn(fields.values());
  if (!file) throw new AppError('form_file_missing');
  return file.finish(title);
}

/** The fields of a form that has no file. */
export async function receiveFields(form: IncomingForm): Promise<Map<string, string>> {
  const parser = new FormParser(formBoundary(form.contentType));
  const fields = new FieldReader();
  for (let piece = await form.next(); piece !== undefined; piece = await form.next()) {
    for (const event of parser.feed(piece)) {
      if (event.type === 'part') fields.begin(event.name, event.filename);
      else if (event.type === 'data') fields.add(event.bytes);
    }
  }
  parser.finish();
  return fields.values();
}

const NO_FILENAME = 'The field video is text here; with curl its value begins with @ and is a path.';

class FieldReader {
  readonly #held = new Map<string, Uint8Array>();
  #name = '';

  begin(name: string, filename: string | undefined): void {
    requireNewField(this.#held, name);
    if (filename !== undefined) {
      throw new AppError('invalid_request', {
        detail: `The field ${name} is text, not a file.`,
        extra: { field: name },
      });
    }
    this.#name = name;
    this.#held.set(name, new Uint8Array(0));
  }

  add(bytes: Uint8Array): void {
    const held = this.#held.get(this.#name)!;
    if (held.byteLength + bytes.byteLength > MAX_FIELD_BYTES) {
      throw new AppError('form_field_too_large', { extra: { field: this.#name } });
    }
    const all = new Uint8Array(held.byteLength + bytes.byteLength);
    all.set(held);
    all.set(bytes, held.byteLength);
    this.#held.set(this.#name, all);
  }

  values(): Map<string, string> {
    return new Map([...this.#held].map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]));
  }
}

class FileReader {
  readonly #filename: string;
  readonly #boundBytes: number;
  readonly #fields: FieldReader;
  readonly #target: FormTarget;
  readonly #digest: FileDigest;
  readonly #part: Uint8Array;
  #filled = 0;
  #sentParts = 0;
  #sentBytes = 0;

  constructor(
    filename: string,
    boundBytes: number,
    fields: FieldReader,
    target: FormTarget,
    digest: FileDigest,
  ) {
    this.#filename = filename;
    this.#boundBytes = boundBytes;
    this.#fields = fields;
    this.#target = target;
    this.#digest = digest;
    this.#part = new Uint8Array(Math.min(boundBytes, uploadPartSizeBytes(boundBytes)));
  }

  async add(bytes: Uint8Array): Promise<void> {
    await this.#digest.add(bytes);
    for (let at = 0; at < bytes.byteLength; ) {
      // A full part waits for the next byte: the last part of all is kept for the end.
      if (this.#filled === this.#part.byteLength) await this.#send();
      const taken = bytes.subarray(at, at + this.#part.byteLength - this.#filled);
      this.#part.set(taken, this.#filled);
      this.#filled += taken.byteLength;
      at += taken.byteLength;
    }
  }

  async finish(title: LegacyTitle): Promise<{ jobId: string }> {
    const bytes = this.#part.subarray(0, this.#filled);
    const sizeBytes = this.#sentBytes + this.#filled;
    if (sizeBytes === 0) throw new AppError('upload_empty');
    const sha256 = await this.#digest.hex();
    if (this.#sentParts === 0) await this.#open({ title, sizeBytes, sha256 });
    return this.#target.finish({ ...title, sizeBytes, sha256 }, { number: this.#sentParts + 1, bytes });
  }

  async #send(): Promise<void> {
    if (this.#sentParts === 0) {
      const values = this.#fields.values();
      const title = hasTitle(values) ? titleIn(values) : undefined;
      await this.#open({ title, sizeBytes: this.#boundBytes, sha256: undefined });
    }
    await this.#target.putPart(this.#sentParts + 1, this.#part);
    this.#sentParts += 1;
    this.#sentBytes += this.#filled;
    this.#filled = 0;
  }

  /** What is no video has no upload either. */
  async #open(file: Omit<FormFile, 'filename'>): Promise<void> {
    sniffContainer(this.#part.subarray(0, Math.min(this.#filled, SNIFF_BYTES)), file.sizeBytes);
    await this.#target.open({ filename: this.#filename, ...file });
  }
}

/** For the title and for downloads: no folders, whatever system it comes from, and one line. */
function nameOf(filename: string): string {
  const name = filename
    .split(/[/\\]/)
    .at(-1)!
    .replace(/\p{Cc}/gu, '')
    .trim();
  return name.slice(0, 1024) || 'video';
}

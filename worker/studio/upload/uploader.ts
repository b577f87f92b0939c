// One Uppy per signed-in person, which outlives the page: uploads go on while other pages are looked at.
import Uppy, { type Body, type Meta, type UppyFile } from '@uppy/core';
import GoldenRetriever from '@uppy/golden-retriever';
import Tus from '@uppy/tus';
import { currentSession, onSessionChange } from '../session.ts';

/** Words of Upload-Metadata that the API knows; see `/v1/tus`. */
export const CHOICES = ['title', 'kind', 'contentId', 'visibility', 'protection'] as const;
export type Choices = Partial<Record<(typeof CHOICES)[number], string>>;
export type UploadFile = UppyFile<Meta, Body>;
export type Uploader = Uppy<Meta, Body>;

const MIB = 1024 * 1024;
/** One request: large enough that the round trips between them do not count, small enough to be lost. */
const CHUNK_BYTES = 8 * MIB;
const FILES_AT_ONCE = 3;
/** What the browser keeps of files for the time after a reload; a larger one is asked for again. */
const KEPT_FILE_BYTES = 2048 * MIB;
const KEPT_TOTAL_BYTES = 8192 * MIB;

let current: { owner: string; uppy: Uploader; defaults: Choices; refused: Set<string> } | undefined;

export function uploader(): Uploader {
  return instance().uppy;
}

/** What files that are added from now on are given. */
export function setDefaults(defaults: Choices): void {
  instance().defaults = defaults;
}

/** A refused file stays out of the upload. */
export function setRefused(fileId: string, isRefused: boolean): void {
  const { refused } = instance();
  if (isRefused) refused.add(fileId);
  else refused.delete(fileId);
}

function instance() {
  const owner = currentSession()?.name ?? '';
  if (current?.owner !== owner) {
    // Not destroyed: that would end its uploads on the server, and their owner may come back.
    current?.uppy.pauseAll();
    current = { owner, uppy: createUppy(owner), defaults: {}, refused: new Set() };
  }
  return current;
}

function createUppy(owner: string): Uploader {
  const uppy: Uploader = new Uppy<Meta, Body>({
    id: `reelay-${owner}`,
    autoProceed: false,
    onBeforeFileAdded: (file) => {
      const title = titleOf(file.name ?? '');
      return { ...file, meta: { ...instance().defaults, ...(title ? { title } : {}), ...file.meta } };
    },
    onBeforeUpload: (files) =>
      Object.fromEntries(
        Object.entries(files)
          .filter(([id]) => !instance().refused.has(id))
          .map(([id, file]) => [id, { ...file, meta: withoutEmpty(file.meta) }]),
      ),
  });
  uppy.use(Tus, {
    endpoint: new URL('/v1/tus', location.href).href,
    chunkSize: CHUNK_BYTES,
    limit: FILES_AT_ONCE,
    retryDelays: [0, 1000, 3000, 5000, 10_000, 20_000],
    removeFingerprintOnSuccess: true,
    headers: () => ({ Authorization: `Bearer ${currentSession()?.token ?? ''}` }),
  });
  // Its types leave out what its documentation offers.
  const indexedDB: object = { maxFileSize: KEPT_FILE_BYTES, maxTotalSize: KEPT_TOTAL_BYTES };
  uppy.use(GoldenRetriever, { indexedDB });
  // Who has signed out sends nothing more; signed in again, the uploads can be resumed.
  onSessionChange(() => {
    if (currentSession()?.name !== owner) uppy.pauseAll();
  });
  uppy.on('upload-error', (file, _error, response) => {
    const detail = problemIn(response?.body);
    if (file && detail) uppy.setFileState(file.id, { error: detail });
  });
  return uppy;
}

/** What is left empty is left to the server. */
function withoutEmpty(meta: UploadFile['meta']): UploadFile['meta'] {
  const kept = Object.entries(meta).filter(
    ([, value]) => value !== '' && value !== undefined && value !== null,
  );
  return Object.fromEntries(kept) as UploadFile['meta'];
}

function titleOf(filename: string): string {
  return filename.replace(/\.[^.]{1,5}$/, '').trim();
}

/** The sentence of the API's problem, instead of a dump of the request. */
function problemIn(body: unknown): string | undefined {
  const { xhr } = (body ?? {}) as { xhr?: XMLHttpRequest };
  try {
    return (JSON.parse(xhr?.responseText ?? '') as { detail?: string }).detail;
  } catch {
    return undefined; // no answer at all: Uppy has words for that
  }
}

// What is known of each file beside what Uppy knows: the verdict before, the video and its job after.
import { useEffect, useSyncExternalStore } from 'react';
import type { UploadStatus } from '../../../shared/api.ts';
import type { PreflightAnswer } from '../../../shared/preflight-answer.ts';
import { type ApiFailure, api, asFailure } from '../api.ts';
import { preflight } from './preflight.ts';
import { setRefused, type Uploader, type UploadFile } from './uploader.ts';

export type Line = {
  id: string;
  name: string;
  sizeBytes: number;
  verdict?: PreflightAnswer;
  checkFailure?: ApiFailure;
  isPaused: boolean;
  /** The bytes are no longer here: the file has to be chosen once more. */
  isGone: boolean;
  percent?: number;
  bytesUploaded: number;
  uploadError?: string;
  isUploaded: boolean;
  videoId?: string;
};

type Note = Pick<Line, 'verdict' | 'checkFailure' | 'videoId'> & { name: string; sizeBytes: number };

const notes = new Map<string, Note>();
const listeners = new Set<() => void>();
let lines: Line[] = [];
let linesOf: { files: unknown; version: number; uppy: Uploader } | undefined;
let version = 0;
const CHECKS_AT_ONCE = 2;
let checking = 0;
const toCheck: UploadFile[] = [];

/** The files at hand and those that were uploaded or refused since the studio was opened, newest last. */
export function useLines(uppy: Uploader): Line[] {
  useEffect(() => attend(uppy), [uppy]);
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      uppy.on('state-update', listener);
      return () => {
        listeners.delete(listener);
        uppy.off('state-update', listener);
      };
    },
    () => currentLines(uppy),
  );
}

export function forgetLine(uppy: Uploader, id: string): void {
  notes.delete(id);
  if (uppy.getFile(id)) uppy.removeFile(id);
  changed();
}

const attended = new WeakSet<Uploader>();

function attend(uppy: Uploader): void {
  if (attended.has(uppy)) return;
  attended.add(uppy);
  const check = (file: UploadFile) => {
    note(file, {});
    toCheck.push(file);
    void checkNext();
  };
  uppy.on('file-added', check);
  uppy.on('restored', () => {
    for (const file of uppy.getFiles()) if (file.data) check(file);
  });
  uppy.on('file-removed', (file) => {
    setRefused(file.id, false);
    if (!notes.get(file.id)?.videoId) notes.delete(file.id);
    changed();
  });
  uppy.on('upload-success', (file, response) => {
    if (file) void findVideo(file, response.uploadURL ?? '');
  });
  for (const file of uppy.getFiles()) check(file);
}

async function checkNext(): Promise<void> {
  if (checking === CHECKS_AT_ONCE) return;
  const file = toCheck.shift();
  if (!file) return;
  checking += 1;
  try {
    const verdict = await preflight(file.data as Blob);
    setRefused(file.id, verdict.verdict === 'refused');
    note(file, { verdict });
  } catch (error) {
    // The upload can go on: the same is judged when all bytes are there.
    note(file, { checkFailure: asFailure(error) });
  }
  checking -= 1;
  void checkNext();
}

async function findVideo(file: UploadFile, uploadUrl: string): Promise<void> {
  const uploadId = uploadUrl.split('/').at(-1) ?? '';
  const upload = await api<UploadStatus>('GET', `/v1/uploads/${uploadId}`).catch(() => undefined);
  if (upload) note(file, { videoId: upload.videoId });
}

function note(file: UploadFile, more: Partial<Note>): void {
  const known = notes.get(file.id) ?? { name: file.name ?? 'file', sizeBytes: file.size ?? 0 };
  notes.set(file.id, { ...known, ...more });
  changed();
}

function changed(): void {
  version += 1;
  for (const listener of listeners) listener();
}

function currentLines(uppy: Uploader): Line[] {
  const { files } = uppy.getState();
  if (linesOf?.files !== files || linesOf.version !== version || linesOf.uppy !== uppy) {
    linesOf = { files, version, uppy };
    lines = [...notes].map(([id, noted]) => lineOf(id, noted, files[id]));
  }
  return lines;
}

function lineOf(id: string, noted: Note, file: UploadFile | undefined): Line {
  const { progress } = file ?? {};
  const bytesUploaded = progress?.bytesUploaded;
  return {
    id,
    ...noted,
    isPaused: file?.isPaused === true,
    isGone: file?.isGhost === true,
    bytesUploaded: typeof bytesUploaded === 'number' ? bytesUploaded : 0,
    ...(progress?.uploadStarted ? { percent: progress.percentage ?? 0 } : {}),
    ...(file?.error ? { uploadError: file.error } : {}),
    isUploaded: progress?.uploadComplete === true || noted.videoId !== undefined,
  };
}

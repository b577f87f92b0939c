// Certifies a broken copy of a good stream, and tells which checks it fails.
import { expect } from 'vitest';
import { certifyStream, type StreamCertificate } from '../../transcoder/certify-stream/certify-stream.ts';
import type { StreamFiles, StreamServer } from './stream-server.ts';

/** Breaks a copy; `check` is the one that must find it. */
export type Fault = [check: string, fault: string, breakIt: (files: StreamFiles) => void];

type Options = { isDeep?: boolean; root?: string };

export function certificateOf(
  server: StreamServer,
  files: StreamFiles,
  { isDeep = true, root = 'master.m3u8' }: Options = {},
): Promise<StreamCertificate> {
  server.files = files;
  return certifyStream(server.url(root), { isDeep, signal: new AbortController().signal });
}

export async function failedChecks(
  server: StreamServer,
  files: StreamFiles,
  options?: Options,
): Promise<string[]> {
  const { checks, passed } = await certificateOf(server, files, options);
  const failed = checks.filter((check) => check.failed > 0).map(({ name }) => name);
  expect(passed).toBe(failed.length === 0);
  return failed;
}

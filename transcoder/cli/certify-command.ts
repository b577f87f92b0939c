// `reelay certify URL`

import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { certifyStream, NotAStream, type StreamCertificate } from '../certify-stream/certify-stream.ts';
import { Interrupted, onInterruption } from './interruption.ts';
import { formatBytes } from './transfer-meter.ts';
import { UsageError } from './usage.ts';

/** Judges one stream. @returns the exit code: 0 flawless, 1 faults were found, 2 nothing to judge */
export async function certifyCommand(args: string[]): Promise<number> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      deep: { type: 'boolean', default: false },
      dash: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const [target] = positionals;
  if (!target || positionals.length > 1)
    throw new UsageError('certify takes one URL of a playlist or an MPD');
  using interruption = onInterruption();
  const { signal } = interruption;
  const dashUrl = values.dash && urlOf(values.dash);
  try {
    const certificate = await certifyStream(urlOf(target), { isDeep: values.deep, dashUrl, signal });
    console.log(values.json ? JSON.stringify(certificate) : rows(certificate).join('\n'));
    return certificate.passed ? 0 : 1;
  } catch (error) {
    if (signal.reason instanceof Interrupted) return signal.reason.exitCode;
    if (!(error instanceof NotAStream)) throw error;
    throw new UsageError(`nothing to certify: ${error.message}`);
  }
}

/** A URL, or the path of a file. */
function urlOf(text: string): string {
  return /^(?:https?|file):\/\//i.test(text) ? text : pathToFileURL(text).href;
}

function rows(certificate: StreamCertificate): string[] {
  const { url, format, isDeep, passed, checks, notChecked } = certificate;
  const width = Math.max(...checks.map(({ name }) => name.length));
  const failed = checks.filter((check) => check.failed > 0);
  const depth = isDeep ? 'everything was read' : 'a sample was read (--deep reads everything)';
  return [
    `${format.toUpperCase()}  ${url}`,
    `${certificate.seconds.toFixed(1)} s, ${formatBytes(certificate.bytesRead)} read, ${depth}`,
    '',
    ...checks.flatMap(({ name, count, failed, findings }) => [
      `  ${failed > 0 ? 'FAIL' : 'ok  '}  ${name.padEnd(width)}  ${failed > 0 ? `${failed} of ${count}` : count}`,
      ...findings.map((finding) => `          ${finding.problem}\n            ${finding.url}`),
      ...(failed > findings.length ? [`          and ${failed - findings.length} more`] : []),
    ]),
    ...(notChecked.length > 0
      ? ['', 'Not checked:', ...notChecked.map(({ what, why }) => `  ${what}: ${why}`)]
      : []),
    '',
    passed
      ? `Certified: ${checks.length} checks passed.`
      : `Not certified: ${failed.length} of ${checks.length} checks failed.`,
  ];
}

// Why a job or a video failed, in the words of the error table, and what to do about it.
import type { ApiError } from '../../../shared/api.ts';
import { ERRORS, type ErrorKind } from '../../../shared/errors.ts';
import { Notice } from '../ui/notice.tsx';

export function ExplainedError({ error }: { error: ApiError }) {
  const kind = (ERRORS as Record<string, ErrorKind>)[error.code];
  return (
    <Notice tone={error.code === 'job_cancelled' ? 'warn' : 'bad'} title={kind?.title ?? 'It failed'}>
      {error.detail ? <p>{error.detail}</p> : null}
      <p>
        <strong>What to do:</strong> {adviceOn(error.code, kind?.retry)}
      </p>
      <code className="quiet">{error.code}</code>
    </Notice>
  );
}

const ADVICE: Record<string, string> = {
  job_cancelled: 'Somebody cancelled it. Try again to start over.',
  media_not_video:
    'Check that the right file was uploaded. If it plays elsewhere, export it as MP4 and upload that.',
  media_encrypted: 'Remove the copy protection in the program that made the file, then upload it anew.',
  media_no_video_stream: 'Upload a file with a picture, or ask for sound alone with the option audioOnly.',
  media_malformed:
    'The file is damaged. Upload it again from the original; if that fails too, export it anew.',
  import_address_refused:
    'Addresses inside private networks cannot be read from. Put the file where the internet can reach it.',
  import_unreachable: 'See that the address works from anywhere, then try again.',
  source_changed: 'The stored original was replaced meanwhile. Upload it again.',
};

function adviceOn(code: string, retry: ErrorKind['retry'] | undefined): string {
  const known = ADVICE[code];
  if (known) return known;
  if (code.startsWith('media_')) {
    return 'The trouble is in the file, so the same file will fail again. Export it anew and upload that.';
  }
  if (code.startsWith('import_')) {
    return retry === 'later'
      ? 'The other server was in trouble. Try again.'
      : 'The file could not be fetched. Check the address, or upload the file itself.';
  }
  return retry === 'never'
    ? 'Trying the same again will most likely end the same way: change what the message names first.'
    : 'The trouble was on the side of the service and may have passed: try again. If it stays, look at the logs of the transcoder.';
}

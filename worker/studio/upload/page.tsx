// Uploading: files, what they are to become, and what becomes of them. Uppy comes in a chunk of its own.
import { lazy, Suspense } from 'react';
import { mayUpload, useSession } from '../session.ts';
import { Notice } from '../ui/notice.tsx';
import { PageHead } from '../ui/shell.tsx';
import './upload.css';

const UploadDesk = lazy(async () => ({ default: (await import('./upload-desk.tsx')).UploadDesk }));

export function Page() {
  const session = useSession();
  return (
    <>
      <PageHead
        title="Upload"
        note="Files go up in pieces: pause, reload or lose the network, and nothing is sent twice."
      />
      {mayUpload(session) ? (
        <Suspense fallback={<div className="card upload-wait">One moment …</div>}>
          <UploadDesk />
        </Suspense>
      ) : (
        <Notice tone="warn" title="Viewers cannot upload">
          Sign in with a token of the role uploader or admin.
        </Notice>
      )}
    </>
  );
}

// What can be done with the video as a whole.
import { useState } from 'react';
import type { Video } from '../../../shared/api.ts';
import type { WatchLink } from '../../../shared/play-api.ts';
import { api } from '../api.ts';
import { isOpen } from '../follow-job.ts';
import { goTo, pageAt } from '../router.ts';
import { momentText } from '../ui/amounts.ts';
import { Button, ButtonLink } from '../ui/button.tsx';
import { CopyBox } from '../ui/copy-box.tsx';
import { ConfirmDialog, Dialog } from '../ui/dialog.tsx';
import { FailureNotice } from '../ui/notice.tsx';
import { PrewarmDialog } from './prewarm-dialog.tsx';
import { TranscodeDialog } from './transcode-dialog.tsx';
import { useAction } from './use-action.ts';

type Props = { video: Video; mayManage: boolean; onChange(): Promise<void> };
type Open = 'share' | 'transcode' | 'prewarm' | 'delete';

export function Actions({ video, mayManage, onChange }: Props) {
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  if (!mayManage || video.state === 'deleting') return null;
  const hasSource = video.job !== undefined;
  return (
    <div className="row video-actions">
      <Button tone="main" onClick={() => setOpen('share')}>
        Share
      </Button>
      {video.state === 'ready' ? (
        <ButtonLink href={pageAt('rooms', { video: video.id })}>Watch together</ButtonLink>
      ) : null}
      {video.state === 'ready' ? <Button onClick={() => setOpen('prewarm')}>Prewarm</Button> : null}
      {hasSource ? (
        <Button disabled={isOpen(video.job)} onClick={() => setOpen('transcode')}>
          Transcode again
        </Button>
      ) : null}
      <Button tone="danger" onClick={() => setOpen('delete')}>
        Delete
      </Button>
      {open === 'share' ? <ShareDialog video={video} onClose={close} /> : null}
      {open === 'transcode' ? <TranscodeDialog video={video} onClose={close} onStarted={onChange} /> : null}
      {open === 'prewarm' ? <PrewarmDialog video={video} onClose={close} /> : null}
      {open === 'delete' ? <DeleteDialog video={video} onClose={close} /> : null}
    </div>
  );
}

function ShareDialog({ video, onClose }: { video: Video; onClose(): void }) {
  const [link, setLink] = useState<WatchLink>();
  const action = useAction();
  const make = () =>
    action.run(async () =>
      setLink(await api<WatchLink>('POST', `/v1/videos/${encodeURIComponent(video.id)}/watch-link`, {})),
    );
  return (
    <Dialog title="A link to watch" onClose={onClose}>
      <p className="quiet">
        Whoever has the link can watch this video for a day, without an account. It shows progress while the
        video is being made.
      </p>
      {link ? (
        <>
          <CopyBox label="watch link" text={link.url} />
          <p className="small quiet">Good until {momentText(link.expiresAt)}.</p>
        </>
      ) : null}
      {action.failure ? <FailureNotice failure={action.failure} /> : null}
      <div className="dialog-actions">
        <Button onClick={onClose}>Close</Button>
        {link ? (
          <ButtonLink tone="main" href={link.url}>
            Open it
          </ButtonLink>
        ) : (
          <Button tone="main" isBusy={action.isBusy} onClick={() => void make()}>
            Make a link
          </Button>
        )}
      </div>
    </Dialog>
  );
}

function DeleteDialog({ video, onClose }: { video: Video; onClose(): void }) {
  const action = useAction();
  const remove = async () => {
    const isDone = await action.run(() => api('DELETE', `/v1/videos/${encodeURIComponent(video.id)}`));
    if (isDone) goTo('library');
  };
  return (
    <ConfirmDialog
      title={`Delete “${video.title}”?`}
      action="Delete for good"
      isBusy={action.isBusy}
      onConfirm={() => void remove()}
      onClose={onClose}
    >
      <p>The original, everything made of it and its statistics go. Who watches it now is cut off.</p>
      {action.failure ? <FailureNotice failure={action.failure} /> : null}
    </ConfirmDialog>
  );
}

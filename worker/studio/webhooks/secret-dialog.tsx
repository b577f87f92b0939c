import { Button } from '../ui/button.tsx';
import { CopyBox } from '../ui/copy-box.tsx';
import { Dialog } from '../ui/dialog.tsx';

/** A signing secret, which nobody can read a second time. */
export function SecretDialog({ secret, onClose }: { secret: string; onClose(): void }) {
  return (
    <Dialog title="The signing secret" onClose={onClose}>
      <p className="quiet">
        It is shown this one time. Put it where the receiving server reads its secrets; if it gets lost,
        rotate it.
      </p>
      <CopyBox label="the signing secret" text={secret} />
      <div className="dialog-actions">
        <Button tone="main" onClick={onClose}>
          I have kept it
        </Button>
      </div>
    </Dialog>
  );
}

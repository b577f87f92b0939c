// A new generation from the stored original: what is published stays until the new one is ready.
import { type FormEvent, useState } from 'react';
import type { AcceptedJob, TranscodeRequest, Video } from '../../../shared/api.ts';
import { EncoderPreset } from '../../../shared/encoder.ts';
import { DEFAULT_LADDER } from '../../../shared/ladder.ts';
import { Protection } from '../../../shared/protection.ts';
import { api } from '../api.ts';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { CheckField, SelectField, TextField } from '../ui/field.tsx';
import { FailureNotice } from '../ui/notice.tsx';
import { useAction } from './use-action.ts';

const AS_BEFORE = ['', 'As before'] as const;
const PROTECTIONS = [
  ['none', 'None'],
  ['aes-128', 'AES-128 (HLS)'],
  ['cenc', 'Common Encryption (DASH)'],
] as const satisfies (readonly [Protection, string])[];

type Row = { shortSidePixels: number; kbps: string; isWanted: boolean };

export function TranscodeDialog({
  video,
  onClose,
  onStarted,
}: {
  video: Video;
  onClose(): void;
  onStarted(): Promise<void>;
}) {
  const [protection, setProtection] = useState('');
  const [preset, setPreset] = useState('');
  const [segmentSeconds, setSegmentSeconds] = useState('');
  const [isSoundAlone, setIsSoundAlone] = useState(false);
  const [hasLadder, setHasLadder] = useState(false);
  const [rows, setRows] = useState(() => rowsFor(video));
  const action = useAction();
  const ladder = rows
    .filter(({ isWanted }) => isWanted)
    .map(({ shortSidePixels, kbps }) => ({
      shortSidePixels,
      maxBitrateBps: Math.round(Number(kbps) * 1000),
    }));
  const start = async (event: FormEvent) => {
    event.preventDefault();
    const request: TranscodeRequest = {
      ...(protection ? { protection: Protection.parse(protection) } : {}),
      ...(preset ? { preset: EncoderPreset.parse(preset) } : {}),
      ...(segmentSeconds ? { segmentSeconds: Number(segmentSeconds) } : {}),
      ...(hasLadder ? { ladder } : {}),
      ...(isSoundAlone ? { audioOnly: true } : {}),
    };
    const path = `/v1/videos/${encodeURIComponent(video.id)}/transcode`;
    const isDone = await action.run(async () => {
      await api<AcceptedJob>('POST', path, request);
      await onStarted();
    });
    if (isDone) onClose();
  };
  const change = (index: number, part: Partial<Row>) =>
    setRows(rows.map((row, at) => (at === index ? { ...row, ...part } : row)));
  return (
    <Dialog title="Transcode again" onClose={onClose}>
      <form className="stack" onSubmit={(event) => void start(event)}>
        <p className="quiet">
          From the stored original. What is published plays on until the new renditions are checked and ready.
        </p>
        <div className="columns">
          <SelectField
            label="Protection"
            hint={video.visibility === 'public' ? 'A protected video has to be private.' : undefined}
            options={[AS_BEFORE, ...PROTECTIONS]}
            value={protection}
            onChange={(event) => setProtection(event.target.value)}
          />
          <SelectField
            label="Encoder preset"
            hint="Slower: smaller files of the same quality."
            options={[AS_BEFORE, ...EncoderPreset.options.map((name) => [name, name] as const)]}
            value={preset}
            onChange={(event) => setPreset(event.target.value)}
          />
        </div>
        <TextField
          label="Segment length in seconds"
          hint="2 to 12; empty for as before."
          type="number"
          min={2}
          max={12}
          step={0.5}
          value={segmentSeconds}
          onChange={(event) => setSegmentSeconds(event.target.value)}
        />
        {video.job?.error?.code === 'media_no_video_stream' ? (
          <CheckField
            label="Publish it as sound alone"
            checked={isSoundAlone}
            onChange={(event) => setIsSoundAlone(event.target.checked)}
          />
        ) : null}
        <CheckField
          label="Choose the qualities myself"
          checked={hasLadder}
          onChange={(event) => setHasLadder(event.target.checked)}
        />
        {hasLadder ? (
          <fieldset className="video-ladder">
            <legend className="spoken">Qualities</legend>
            {rows.map((row, index) => (
              <div key={row.shortSidePixels} className="row spread">
                <CheckField
                  label={`${row.shortSidePixels}p`}
                  checked={row.isWanted}
                  onChange={(event) => change(index, { isWanted: event.target.checked })}
                />
                <label className="row small quiet">
                  at most
                  <input
                    className="input video-kbps"
                    type="number"
                    min={50}
                    max={100_000}
                    aria-label={`Highest bitrate of ${row.shortSidePixels}p in kb/s`}
                    value={row.kbps}
                    disabled={!row.isWanted}
                    onChange={(event) => change(index, { kbps: event.target.value })}
                  />
                  kb/s
                </label>
              </div>
            ))}
          </fieldset>
        ) : null}
        {action.failure ? <FailureNotice failure={action.failure} /> : null}
        <div className="dialog-actions">
          <Button onClick={onClose}>Not now</Button>
          <Button
            type="submit"
            tone="main"
            isBusy={action.isBusy}
            disabled={hasLadder && ladder.length === 0}
          >
            Start
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

/** The usual ladder, without what is larger than the picture. */
function rowsFor({ width, height }: Video): Row[] {
  const short = width && height ? Math.min(width, height) : Number.POSITIVE_INFINITY;
  const fitting = DEFAULT_LADDER.filter(({ shortSidePixels }) => shortSidePixels <= short);
  return (fitting.length > 0 ? fitting : DEFAULT_LADDER.slice(0, 1)).map(
    ({ shortSidePixels, maxBitrateBps }) => ({
      shortSidePixels,
      kbps: String(maxBitrateBps / 1000),
      isWanted: true,
    }),
  );
}

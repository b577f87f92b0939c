// Subtitles: those of the file, those that came later, and a form for more.
import { type FormEvent, useState } from 'react';
import type { Video } from '../../../shared/api.ts';
import type { SubtitleInfo } from '../../../shared/subtitle-api.ts';
import { api } from '../api.ts';
import { Badge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { ConfirmDialog } from '../ui/dialog.tsx';
import { CheckField, TextField } from '../ui/field.tsx';
import { FailureNotice } from '../ui/notice.tsx';
import { Table } from '../ui/table.tsx';
import { useAction } from './use-action.ts';

type Props = { video: Video; onChange(): Promise<void> };

export function SubtitlesPanel({ video, onChange }: Props) {
  const [doomed, setDoomed] = useState<SubtitleInfo>();
  const action = useAction();
  const path = `/v1/videos/${encodeURIComponent(video.id)}/subtitles`;
  const remove = async ({ name }: SubtitleInfo) => {
    const isDone = await action.run(async () => {
      await api('DELETE', `${path}/${encodeURIComponent(name)}`);
      await onChange();
    });
    if (isDone) setDoomed(undefined);
  };
  return (
    <div className="stack video-panel">
      {video.subtitles.length === 0 ? (
        <p className="quiet video-none">There are no subtitles yet.</p>
      ) : (
        <Table<SubtitleInfo>
          caption="Subtitles"
          rows={video.subtitles}
          keyOf={({ name }) => name}
          columns={[
            { head: 'Label', cell: ({ label }) => <strong>{label}</strong> },
            { head: 'Language', cell: ({ language }) => language },
            { head: 'Kind', cell: (track) => <Flags track={track} /> },
            {
              head: 'From',
              isEnd: true,
              cell: (track) =>
                track.origin === 'file' ? (
                  'the file'
                ) : (
                  <Button size="small" tone="danger" onClick={() => setDoomed(track)}>
                    Remove
                  </Button>
                ),
            },
          ]}
        />
      )}
      <AddForm path={path} onAdded={onChange} />
      {doomed ? (
        <ConfirmDialog
          title={`Remove “${doomed.label}”?`}
          action="Remove"
          isBusy={action.isBusy}
          onConfirm={() => void remove(doomed)}
          onClose={() => setDoomed(undefined)}
        >
          <p>Who watches now keeps them until the end.</p>
          {action.failure ? <FailureNotice failure={action.failure} /> : null}
        </ConfirmDialog>
      ) : null}
    </div>
  );
}

function Flags({ track: { isDefault, isForced, isCaptions } }: { track: SubtitleInfo }) {
  return (
    <span className="row">
      {isForced ? <Badge tone="warn">forced</Badge> : null}
      {isCaptions ? <Badge>for the deaf</Badge> : null}
      {isDefault ? <Badge tone="good">on at first</Badge> : null}
      {isForced || isCaptions || isDefault ? null : 'translation'}
    </span>
  );
}

function AddForm({ path, onAdded }: { path: string; onAdded(): Promise<void> }) {
  const [language, setLanguage] = useState('');
  const [label, setLabel] = useState('');
  const [flags, setFlags] = useState({ default: false, forced: false, captions: false });
  const [file, setFile] = useState<File>();
  const [inputKey, setInputKey] = useState(0);
  const action = useAction();
  const add = async (event: FormEvent) => {
    event.preventDefault();
    if (!file) return;
    const query = new URLSearchParams({ language: language.trim() });
    if (label.trim()) query.set('label', label.trim());
    for (const [name, isSet] of Object.entries(flags)) if (isSet) query.set(name, 'true');
    const isDone = await action.run(async () => {
      await api<SubtitleInfo>('POST', `${path}?${query}`, file);
      await onAdded();
    });
    if (!isDone) return;
    setLanguage('');
    setLabel('');
    setFlags({ default: false, forced: false, captions: false });
    setFile(undefined);
    setInputKey(inputKey + 1); // empties the file input
  };
  const flag = (name: keyof typeof flags, text: string) => (
    <CheckField
      label={text}
      checked={flags[name]}
      onChange={(event) => setFlags({ ...flags, [name]: event.target.checked })}
    />
  );
  return (
    <form className="stack video-add" onSubmit={(event) => void add(event)} aria-labelledby="add-subtitles">
      <h3 id="add-subtitles">Add subtitles</h3>
      <div className="columns">
        <TextField
          label="Language"
          hint="Such as en, de or pt-BR."
          required
          maxLength={35}
          value={language}
          onChange={(event) => setLanguage(event.target.value)}
        />
        <TextField
          label="Label"
          hint="What viewers read; by default the language's name."
          maxLength={100}
          value={label}
          onChange={(event) => setLabel(event.target.value)}
        />
        <TextField
          key={inputKey}
          label="File"
          hint="WebVTT or SRT, at most 2 MiB."
          type="file"
          accept=".vtt,.srt,text/vtt,application/x-subrip"
          required
          onChange={(event) => setFile(event.target.files?.[0])}
        />
      </div>
      <div className="row">
        {flag('captions', 'Captions for the deaf')}
        {flag('forced', 'Forced: shown with its language')}
        {flag('default', 'On at first')}
      </div>
      {action.failure ? <FailureNotice title="They were not added" failure={action.failure} /> : null}
      <div className="row">
        <Button type="submit" tone="main" isBusy={action.isBusy} disabled={!file || !language.trim()}>
          Add subtitles
        </Button>
      </div>
    </form>
  );
}

// What of a video can be changed without transcoding it again.
import { type FormEvent, useState } from 'react';
import type { Video, VideoPatch } from '../../../shared/api.ts';
import { api } from '../api.ts';
import { Button } from '../ui/button.tsx';
import { SelectField, TextField } from '../ui/field.tsx';
import { FailureNotice, Notice } from '../ui/notice.tsx';
import { useAction } from './use-action.ts';

const VISIBILITIES = [
  ['private', 'Private'],
  ['public', 'Public'],
] as const;

export function SettingsPanel({ video, onSaved }: { video: Video; onSaved(video: Video): void }) {
  const [title, setTitle] = useState(video.title);
  const [visibility, setVisibility] = useState(video.visibility);
  const [regions, setRegions] = useState(video.regions.join(', '));
  const [tags, setTags] = useState(video.tags.join(', '));
  const [isSaved, setIsSaved] = useState(false);
  const action = useAction();
  const codes = listed(regions).map((code) => code.toUpperCase());
  const wrong = codes.filter((code) => !/^[A-Z]{2}$/.test(code));
  const patch: VideoPatch = {
    ...(title.trim() === video.title ? {} : { title: title.trim() }),
    ...(visibility === video.visibility ? {} : { visibility }),
    ...(codes.join() === video.regions.join() ? {} : { regions: codes }),
    ...(listed(tags).join() === video.tags.join() ? {} : { tags: listed(tags) }),
  };
  const hasChanges = Object.keys(patch).length > 0;
  const save = async (event: FormEvent) => {
    event.preventDefault();
    const path = `/v1/videos/${encodeURIComponent(video.id)}`;
    setIsSaved(await action.run(async () => onSaved(await api<Video>('PATCH', path, patch))));
  };
  return (
    <form className="stack video-panel" onSubmit={(event) => void save(event)}>
      <TextField
        label="Title"
        required
        maxLength={500}
        value={title}
        onChange={(event) => setTitle(event.target.value)}
      />
      <div className="columns">
        <SelectField
          label="Visibility"
          hint={visibilityHint(video.protection, visibility)}
          disabled={video.protection !== 'none'}
          options={VISIBILITIES}
          value={visibility}
          onChange={(event) => setVisibility(event.target.value === 'public' ? 'public' : 'private')}
        />
        <TextField
          label="Regions"
          hint="Countries it may be watched in, such as DE, AT, CH; empty for everywhere."
          trouble={wrong.length > 0 ? `Not a two-letter code: ${wrong.join(', ')}` : undefined}
          value={regions}
          onChange={(event) => setRegions(event.target.value)}
        />
      </div>
      <TextField
        label="Tags"
        hint="Separated by commas; at most 32."
        value={tags}
        onChange={(event) => setTags(event.target.value)}
      />
      <p className="small quiet">
        Protection: <strong>{video.protection}</strong>. It is part of the encoded files; “Transcode again”
        changes it.
        {video.contentId ? ` The content id ${video.contentId} was given at the upload and stays.` : ''}
      </p>
      {action.failure ? <FailureNotice failure={action.failure} /> : null}
      {isSaved && !hasChanges ? <Notice tone="good" title="Saved" /> : null}
      <div className="row">
        <Button type="submit" tone="main" isBusy={action.isBusy} disabled={!hasChanges || wrong.length > 0}>
          Save changes
        </Button>
      </div>
    </form>
  );
}

function visibilityHint(protection: Video['protection'], visibility: Video['visibility']): string {
  if (protection !== 'none') return 'A protected video stays private.';
  return visibility === 'public'
    ? 'Everybody may watch, at an address that lasts.'
    : 'Who is given a link or a playback session may watch.';
}

function listed(text: string): string[] {
  return [...new Set(text.split(',').map((part) => part.trim()))].filter(Boolean);
}

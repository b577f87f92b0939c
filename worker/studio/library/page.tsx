// The library: what is there, what is on its way, and what went wrong.
import { useEffect, useState } from 'react';
import type { Video } from '../../../shared/api.ts';
import { api } from '../api.ts';
import { type PageProps, pageAt, replacePage } from '../router.ts';
import { mayUpload, useSession } from '../session.ts';
import { ButtonLink } from '../ui/button.tsx';
import { ConfirmDialog } from '../ui/dialog.tsx';
import { SelectField, TextField } from '../ui/field.tsx';
import { LoadMore } from '../ui/load-more.tsx';
import { Empty, FailureNotice } from '../ui/notice.tsx';
import { PageHead } from '../ui/shell.tsx';
import { filtered, usePages } from '../use-pages.ts';
import { useAction } from '../video/use-action.ts';
import './library.css';
import { VideoCard } from './video-card.tsx';

const PAGE_VIDEOS = 24;
const TYPING_MS = 250;
/** How often a video whose bytes are still coming is looked at: no event tells of it. */
const UPLOADING_POLL_MS = 5000;

const STATES = [
  ['', 'Any state'],
  ['uploading', 'Uploading'],
  ['processing', 'Processing'],
  ['playable', 'Playable'],
  ['ready', 'Ready'],
  ['failed', 'Failed'],
] as const;

const KINDS = [
  ['', 'Any kind'],
  ['video', 'Videos'],
  ['movie', 'Movies'],
  ['episode', 'Episodes'],
] as const;

type Filters = { q?: string | undefined; state?: string | undefined; kind?: string | undefined };

export function Page({ query }: PageProps) {
  const session = useSession();
  const filters: Filters = {
    q: query.get('q') ?? undefined,
    state: query.get('state') ?? undefined,
    kind: query.get('kind') ?? undefined,
  };
  const pages = usePages<Video>(filtered('/v1/videos', { limit: PAGE_VIDEOS, ...filters }), 'videos');
  const [doomed, setDoomed] = useState<Video>();
  const refresh = async (id: string) => {
    const video = await api<Video>('GET', `/v1/videos/${id}`).catch(() => undefined);
    if (video) pages.change((items) => items.map((item) => (item.id === id ? video : item)));
  };
  useWatchUploading(pages.items, refresh);
  const isFiltered = Object.values(filters).some(Boolean);
  return (
    <>
      <PageHead title="Library">
        {mayUpload(session) ? (
          <ButtonLink tone="main" href={pageAt('upload')}>
            Upload
          </ButtonLink>
        ) : null}
      </PageHead>
      <FilterBar filters={filters} />
      {pages.failure ? (
        <FailureNotice
          failure={pages.failure}
          title="The library cannot be shown"
          onRetry={() => void pages.reload()}
        />
      ) : null}
      <p className="spoken" role="status">
        {pages.isLoading ? '' : `${pages.items.length} videos shown`}
      </p>
      {pages.isLoading ? <WaitingGrid /> : null}
      {!pages.isLoading && !pages.failure && pages.items.length === 0 ? (
        <NothingThere isFiltered={isFiltered} mayAdd={mayUpload(session)} />
      ) : null}
      <div className="video-grid">
        {pages.items.map((video) => (
          <VideoCard
            key={video.id}
            video={video}
            mayDelete={mayUpload(session)}
            onChange={() => void refresh(video.id)}
            onDelete={() => setDoomed(video)}
          />
        ))}
      </div>
      <LoadMore pages={pages} />
      {doomed ? (
        <DeleteDialog
          video={doomed}
          onClose={() => setDoomed(undefined)}
          onDone={() => {
            setDoomed(undefined);
            pages.change((items) => items.filter(({ id }) => id !== doomed.id));
          }}
        />
      ) : null}
    </>
  );
}

function FilterBar({ filters }: { filters: Filters }) {
  const [text, setText] = useState(filters.q ?? '');
  const set = (change: Filters) => replacePage('library', { ...filters, ...change });
  // biome-ignore lint/correctness/useExhaustiveDependencies: typing alone is what it waits for
  useEffect(() => {
    if (text === (filters.q ?? '')) return;
    const timer = setTimeout(() => set({ q: text.trim() || undefined }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <search className="filter-bar">
      <TextField
        label="Search"
        type="search"
        placeholder="Title or content id"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <SelectField
        label="State"
        options={STATES}
        value={filters.state ?? ''}
        onChange={(event) => set({ state: event.target.value })}
      />
      <SelectField
        label="Kind"
        options={KINDS}
        value={filters.kind ?? ''}
        onChange={(event) => set({ kind: event.target.value })}
      />
    </search>
  );
}

function NothingThere({ isFiltered, mayAdd }: { isFiltered: boolean; mayAdd: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="Nothing fits">
        <p>No video fits this search and these filters.</p>
        <ButtonLink href={pageAt('library')}>Show all</ButtonLink>
      </Empty>
    );
  }
  return (
    <Empty title="No videos yet">
      <p>What you upload appears here, from its first byte until it is ready to play.</p>
      {mayAdd ? (
        <ButtonLink tone="main" href={pageAt('upload')}>
          Upload the first
        </ButtonLink>
      ) : null}
    </Empty>
  );
}

function WaitingGrid() {
  return (
    <div className="video-grid" aria-hidden="true">
      {Array.from({ length: 6 }, (_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
        <div key={index} className="video-card video-card-waiting" />
      ))}
    </div>
  );
}

function DeleteDialog({ video, onClose, onDone }: { video: Video; onClose(): void; onDone(): void }) {
  const action = useAction();
  const confirm = async () => {
    if (await action.run(() => api('DELETE', `/v1/videos/${video.id}`))) onDone();
  };
  return (
    <ConfirmDialog
      title={`Delete “${video.title}”?`}
      action="Delete"
      isBusy={action.isBusy}
      onConfirm={() => void confirm()}
      onClose={onClose}
    >
      <p className="quiet">
        The original, all renditions and the statistics go with it. Whoever is watching stops. This cannot be
        taken back.
      </p>
      {action.failure ? <FailureNotice failure={action.failure} title="It was not deleted" /> : null}
    </ConfirmDialog>
  );
}

function useWatchUploading(videos: Video[], refresh: (id: string) => Promise<void>): void {
  const waiting = videos
    .filter(({ state }) => state === 'created' || state === 'uploading')
    .slice(0, 5)
    .map(({ id }) => id)
    .join(' ');
  // biome-ignore lint/correctness/useExhaustiveDependencies: who is waiting decides
  useEffect(() => {
    if (waiting === '') return;
    const timer = setInterval(() => {
      for (const id of waiting.split(' ')) void refresh(id);
    }, UPLOADING_POLL_MS);
    return () => clearInterval(timer);
  }, [waiting]);
}

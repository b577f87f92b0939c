// Where the video can be read: lasting addresses of a public one, else those of this page's own session.
import type { Video } from '../../../shared/api.ts';
import type { PlayAnswer } from '../../../shared/play-api.ts';
import { momentText } from '../ui/amounts.ts';
import { CopyBox } from '../ui/copy-box.tsx';

export function Addresses({ video, session }: { video: Video; session: PlayAnswer | undefined }) {
  const lasting = named([
    ['HLS', video.hlsUrl],
    ['DASH', video.dashUrl],
    ['Poster', video.posterUrl],
  ]);
  const passing = named([
    ['HLS', session?.hls],
    ['DASH', session?.dash],
    ['MP4', session?.progressive],
    ['Storyboard', session?.storyboard],
    ['Licence', session?.drm?.licenseUrl],
  ]);
  if (lasting.length + passing.length === 0) return null;
  return (
    <section className="card" aria-labelledby="addresses-title">
      <div className="card-head">
        <h2 id="addresses-title">Addresses</h2>
      </div>
      <div className="card-body">
        {lasting.length > 0 ? (
          <div className="stack">
            <p className="small quiet">Public, and the same after every new transcode.</p>
            <List items={lasting} kind="public" />
          </div>
        ) : null}
        {session && passing.length > 0 ? (
          <details open={lasting.length === 0}>
            <summary className="small">Of this page's playback session</summary>
            <div className="stack video-addresses">
              <p className="small quiet">
                Good until {momentText(session.expiresAt)}, for trying in other players.
              </p>
              <List items={passing} kind="session" />
            </div>
          </details>
        ) : null}
      </div>
    </section>
  );
}

type Named = { name: string; url: string };

function List({ items, kind }: { items: Named[]; kind: string }) {
  return (
    <dl className="video-urls">
      {items.map(({ name, url }) => (
        <div key={name}>
          <dt className="small">{name}</dt>
          <dd>
            <CopyBox label={`${kind} ${name} address`} text={url} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function named(all: [string, string | undefined][]): Named[] {
  return all.flatMap(([name, url]) => (url === undefined ? [] : [{ name, url }]));
}

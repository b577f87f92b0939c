// The place of the picture: the player while there is something to watch, else what the video waits for.
import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { Video } from '../../../shared/api.ts';
import type { PlayAnswer } from '../../../shared/play-api.ts';
import { api, asFailure } from '../api.ts';
import type { ApiFailure } from '../api-client.ts';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icons.tsx';
import { deviceId } from './device-id.ts';
import type { MountedPlayer } from './player/mount.ts';
import { stageText } from './stage-text.ts';
import { isWatchable, type JobProgress } from './use-video.ts';

type Props = { video: Video; progress: JobProgress | undefined; onSession(session: PlayAnswer): void };

const MAX_ATTEMPTS = 4;

export function PlayerBox({ video, progress, onSession }: Props) {
  return (
    <div className="video-stage" style={shapeOf(video)}>
      {isWatchable(video) ? (
        <Player key={video.id} video={video} onSession={onSession} />
      ) : (
        <Waiting video={video} progress={progress} />
      )}
    </div>
  );
}

function Player({ video, onSession }: Omit<Props, 'progress'>) {
  const place = useRef<HTMLDivElement>(null);
  const player = useRef<MountedPlayer>(undefined);
  const [failure, setFailure] = useState<ApiFailure>();
  const [broken, setBroken] = useState<string>();
  const [attempt, setAttempt] = useState(0);
  const tell = useRef(onSession);
  tell.current = onSession;
  const { id, title, readyAt } = video;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt begins anew; a new title does not
  useEffect(() => {
    let isGone = false;
    const calls = playCalls(id, (session) => tell.current(session));
    const start = async () => {
      const [{ mountPlayer }, session] = await Promise.all([import('./player/mount.ts'), calls.play()]);
      if (isGone || !place.current) return;
      const mounting = { videoId: id, title, session, api: calls, onFailure: setBroken };
      player.current = mountPlayer(place.current, mounting);
    };
    let again: ReturnType<typeof setTimeout> | undefined;
    start().catch((error) => {
      if (isGone) return;
      const refusal = asFailure(error);
      // Such as a video that is playable in a moment.
      if (!refusal.isPassing || attempt >= MAX_ATTEMPTS) setFailure(refusal);
      else again = setTimeout(() => setAttempt(attempt + 1), 1000 * refusal.retryAfterSeconds);
    });
    return () => {
      isGone = true;
      clearTimeout(again);
      player.current?.destroy();
      player.current = undefined;
    };
  }, [id, attempt]);
  const shownReadyAt = useRef(readyAt);
  useEffect(() => {
    if (readyAt === undefined || readyAt === shownReadyAt.current) return;
    shownReadyAt.current = readyAt;
    // What plays goes on where this fails.
    player.current?.becomeReady().catch(() => {});
  }, [readyAt]);
  const again = () => {
    setFailure(undefined);
    setBroken(undefined);
    setAttempt(attempt + 1);
  };
  const trouble = failure?.detail ?? broken;
  return (
    <>
      <div className="video-player" ref={place} hidden={trouble !== undefined} />
      {trouble === undefined ? null : (
        <Placeholder title="This cannot be played right now" tone="bad">
          <p>{trouble}</p>
          <Button onClick={again}>Try again</Button>
        </Placeholder>
      )}
    </>
  );
}

function playCalls(videoId: string, onSession: (session: PlayAnswer) => void) {
  const told = async (answer: Promise<PlayAnswer>) => {
    const session = await answer;
    onSession(session);
    return session;
  };
  return {
    play: () => told(api('POST', `/v1/videos/${encodeURIComponent(videoId)}/play`, { deviceId: deviceId() })),
    renew: (sessionId: string) =>
      told(api('POST', `/v1/sessions/${encodeURIComponent(sessionId)}/renew`, {})),
  };
}

function Waiting({ video, progress }: Pick<Props, 'video' | 'progress'>) {
  const { state, error } = video;
  if (state === 'failed') {
    return (
      <Placeholder title="This video could not be processed" tone="bad">
        <p>{error?.detail ?? 'No reason was given.'}</p>
      </Placeholder>
    );
  }
  if (state === 'deleting') return <Placeholder title="This video is being deleted" />;
  if (!progress) {
    return (
      <Placeholder title="Waiting for the upload">
        <p>It begins to be processed as soon as the last byte is here.</p>
      </Placeholder>
    );
  }
  return (
    <Placeholder title={`${stageText(progress.stage)}, ${Math.floor(progress.progress)}%`}>
      <p>You can watch it here as soon as its first part is ready.</p>
    </Placeholder>
  );
}

function Placeholder({ title, tone, children }: { title: string; tone?: 'bad'; children?: ReactNode }) {
  return (
    <div className="video-placeholder" data-tone={tone}>
      <Icon name="film" />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** A tall picture takes no more of the page than a wide one. */
function shapeOf({ width, height }: Video) {
  return width && height
    ? { aspectRatio: `${Math.max(width, height)} / ${height > width ? width : height}` }
    : {};
}

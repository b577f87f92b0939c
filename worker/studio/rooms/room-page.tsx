// One room: the picture, what moves it, and who is there.
import { useEffect, useRef, useState } from 'react';
import type { Video } from '../../../shared/api.ts';
import type { RoomView } from '../../../shared/room-api.ts';
import { useApi } from '../api.ts';
import { pageAt } from '../router.ts';
import { ButtonLink } from '../ui/button.tsx';
import { CopyBox } from '../ui/copy-box.tsx';
import { SelectField } from '../ui/field.tsx';
import { FailureNotice, Notice } from '../ui/notice.tsx';
import { PageHead } from '../ui/shell.tsx';
import { keepResumeKey, myName, rememberRoom, resumeKeyOf, takeTicket } from './known-rooms.ts';
import { MemberList } from './member-list.tsx';
import { RoomClient, type RoomSight } from './room-client.ts';
import { RoomControls } from './room-controls.tsx';
import { type Delivery, useRoomPlayer } from './use-room-player.ts';

const DELIVERIES = [
  ['hls', 'HLS'],
  ['stream', 'WebSocket'],
] as const;

export function RoomPage({ id }: { id: string }) {
  const room = useApi<RoomView>(`/v1/rooms/${encodeURIComponent(id)}`);
  const videoId = room.data?.videoId;
  const video = useApi<Video>(videoId && `/v1/videos/${encodeURIComponent(videoId)}`);
  const failure = room.failure ?? video.failure;
  if (failure) {
    return (
      <>
        <PageHead title="Room" />
        <FailureNotice failure={failure} title="This room cannot be entered" />
        <p>
          <ButtonLink href={pageAt('rooms')}>All rooms</ButtonLink>
        </p>
      </>
    );
  }
  if (!video.data) return <p className="quiet page-wait">One moment …</p>;
  return <Inside id={id} video={video.data} />;
}

function Inside({ id, video }: { id: string; video: Video }) {
  const [sight, setSight] = useState<RoomSight>({ status: 'connecting', members: [] });
  const [client, setClient] = useState<RoomClient>();
  const [delivery, setDelivery] = useState<Delivery>('hls');
  const place = useRef<HTMLVideoElement>(null);
  const { id: videoId, title } = video;
  useEffect(() => {
    const as = { name: myName(), resumeKey: resumeKeyOf(id), ticket: takeTicket(id) };
    const entered = new RoomClient(id, as, setSight, (key) => keepResumeKey(id, key));
    setClient(entered);
    rememberRoom({ id, videoId, title, atMs: Date.now() });
    // No goodbye from a page that is loaded again: its host is back in a moment.
    return () => entered.leave();
  }, [id, videoId, title]);
  const player = useRoomPlayer(place, client, videoId, delivery);
  const isHost = sight.room !== undefined && sight.room.hostId === sight.memberId;
  const mayControl = isHost || sight.room?.control === 'open';
  return (
    <>
      <PageHead title={title} note={<ConnectionNote sight={sight} />} />
      {sight.status === 'ended' ? (
        <Notice tone="bad" title="The room has ended">
          <p>{sight.sentence}</p>
        </Notice>
      ) : null}
      {player.failure ? <Notice tone="bad" title={player.failure} /> : null}
      {player.isMuted ? (
        <Notice tone="warn" title="The sound is off">
          <p>This browser plays sound only after a click on the page: switch it on below.</p>
        </Notice>
      ) : null}
      <div className="room-columns" data-wide>
        <section className="stack" aria-label="Player">
          {/* biome-ignore lint/a11y/useMediaCaption: captions are part of the stream */}
          <video
            ref={place}
            className="room-picture"
            playsInline
            preload="auto"
            data-drift={player.driftMs}
          />
          <RoomControls {...{ place, client, sight, mayControl, onSound: player.unmute }} />
          <div className="row room-facts">
            <SelectField
              label="Media comes by"
              value={delivery}
              onChange={(event) => setDelivery(event.target.value as Delivery)}
              options={DELIVERIES}
            />
            {player.qualities.length > 1 ? (
              <SelectField
                label="Quality"
                value={player.quality}
                onChange={(event) => player.choose(event.target.value)}
                options={player.qualities}
              />
            ) : null}
            <Drift driftMs={player.driftMs} roundTripMs={client?.roundTripMs()} />
          </div>
        </section>
        <aside className="stack">
          <MemberList {...{ client, sight, isHost }} ownDriftMs={player.driftMs} />
          <section className="card card-body stack">
            <h2>Invite</h2>
            <CopyBox label="link of the room" text={location.href} />
          </section>
        </aside>
      </div>
    </>
  );
}

const STATUS_TEXT = {
  connecting: 'Entering the room …',
  open: 'You are in the room.',
  broken: 'The connection broke. Trying again …',
  ended: 'You are not in the room.',
} as const;

function ConnectionNote({ sight }: { sight: RoomSight }) {
  return <span role="status">{STATUS_TEXT[sight.status]}</span>;
}

function Drift({ driftMs, roundTripMs }: { driftMs: number | undefined; roundTripMs: number | undefined }) {
  return (
    <dl className="facts">
      <dt>Drift</dt>
      <dd className="numbers">{driftMs === undefined ? '–' : `${driftMs} ms`}</dd>
      <dt>Round trip</dt>
      <dd className="numbers">
        {roundTripMs === undefined ? '–' : `${Math.max(0, Math.round(roundTripMs))} ms`}
      </dd>
    </dl>
  );
}

import { type FormEvent, useState } from 'react';
import type { Video } from '../../../shared/api.ts';
import type { RoomTicket } from '../../../shared/room-api.ts';
import { api, useApi } from '../api.ts';
import { goTo, pageAt } from '../router.ts';
import { Button } from '../ui/button.tsx';
import { SelectField, TextField } from '../ui/field.tsx';
import { Empty, FailureNotice } from '../ui/notice.tsx';
import { PageHead } from '../ui/shell.tsx';
import { useAction } from '../video/use-action.ts';
import { forgetRoom, type KnownRoom, knownRooms, myName, passTicket, setMyName } from './known-rooms.ts';

const CONTROLS = [
  ['host', 'Only the host'],
  ['open', 'Everybody in the room'],
] as const;
const WHEN = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

export function RoomList({ videoId }: { videoId: string }) {
  const [rooms, setRooms] = useState(knownRooms);
  const forget = (id: string) => {
    forgetRoom(id);
    setRooms(knownRooms());
  };
  return (
    <>
      <PageHead title="Rooms" note="Watch a video together, at the same moment of it." />
      <div className="room-columns">
        <NewRoom videoId={videoId} />
        <section className="card card-body stack" aria-label="Rooms of before">
          <h2>Rooms you have been in</h2>
          {rooms.length === 0 ? (
            <Empty title="None yet">
              <p>Open a room and send its link to those who may watch the video.</p>
            </Empty>
          ) : (
            <ul className="room-list">
              {rooms.map((room) => (
                <KnownRoomRow key={room.id} room={room} onForget={() => forget(room.id)} />
              ))}
            </ul>
          )}
        </section>
      </div>
    </>
  );
}

function NewRoom({ videoId }: { videoId: string }) {
  const { data, failure, isLoading } = useApi<{ videos: Video[] }>('/v1/videos?limit=100');
  const action = useAction();
  const [name, setName] = useState(myName);
  const [control, setControl] = useState('host');
  const [chosen, setChosen] = useState(videoId);
  const videos = (data?.videos ?? []).filter(({ state }) => state === 'ready' || state === 'playable');
  const wanted = chosen || videos[0]?.id || '';
  const open = (event: FormEvent) => {
    event.preventDefault();
    void action.run(async () => {
      const named = name.trim() ? { name: name.trim() } : {};
      const ticket = await api<RoomTicket>('POST', '/v1/rooms', { videoId: wanted, control, ...named });
      setMyName(name.trim());
      passTicket(ticket);
      goTo(`rooms/${ticket.id}`);
    });
  };
  return (
    <form className="card card-body stack" onSubmit={open}>
      <h2>Open a room</h2>
      {failure ? <FailureNotice failure={failure} title="The videos cannot be listed" /> : null}
      <SelectField
        label="Video"
        value={wanted}
        onChange={(event) => setChosen(event.target.value)}
        options={videos.map(({ id, title }) => [id, title] as const)}
        hint={!isLoading && videos.length === 0 ? 'There is nothing to watch yet.' : undefined}
      />
      <SelectField
        label="Who plays, pauses and seeks"
        value={control}
        onChange={(event) => setControl(event.target.value)}
        options={CONTROLS}
      />
      <TextField
        label="Your name"
        value={name}
        maxLength={40}
        placeholder="Host"
        onChange={(event) => setName(event.target.value)}
      />
      {action.failure ? <FailureNotice failure={action.failure} title="The room was not opened" /> : null}
      <Button type="submit" tone="main" disabled={wanted === ''} isBusy={action.isBusy}>
        Open the room
      </Button>
    </form>
  );
}

function KnownRoomRow({ room, onForget }: { room: KnownRoom; onForget: () => void }) {
  return (
    <li className="row spread">
      <a href={pageAt(`rooms/${room.id}`)}>
        {room.title}
        <span className="quiet small"> {WHEN.format(room.atMs)}</span>
      </a>
      <Button size="small" tone="plain" onClick={onForget} aria-label={`Forget the room of ${room.title}`}>
        Forget
      </Button>
    </li>
  );
}

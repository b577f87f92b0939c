import type { RoomControl } from '../../../shared/room-api.ts';
import { Badge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { CheckField } from '../ui/field.tsx';
import type { RoomClient, RoomSight } from './room-client.ts';

type Props = {
  client: RoomClient | undefined;
  sight: RoomSight;
  isHost: boolean;
  ownDriftMs: number | undefined;
};

export function MemberList({ client, sight, isHost, ownDriftMs }: Props) {
  const { room, members, memberId } = sight;
  const setControl = (control: RoomControl) => client?.say({ type: 'control', control });
  return (
    <section className="card card-body stack" aria-label="Members">
      <h2>
        Members <span className="quiet numbers">{members.length}</span>
      </h2>
      <ul className="room-list">
        {members.map(({ id, name, driftMs, isBuffering }) => {
          const drift = id === memberId ? ownDriftMs : driftMs;
          return (
            <li key={id} className="row spread">
              <span className="room-member">
                {name}
                {id === memberId ? <span className="quiet"> (you)</span> : null}
              </span>
              <span className="row">
                {id === room?.hostId ? <Badge tone="good">Host</Badge> : null}
                {isBuffering ? <Badge tone="warn">Waiting for media</Badge> : null}
                {drift === undefined ? null : <span className="quiet small numbers">{drift} ms</span>}
                {isHost && id !== memberId ? (
                  <Button size="small" onClick={() => client?.say({ type: 'host', memberId: id })}>
                    Make host
                  </Button>
                ) : null}
              </span>
            </li>
          );
        })}
      </ul>
      {isHost ? (
        <CheckField
          label="Everybody may play, pause and seek"
          checked={room?.control === 'open'}
          onChange={(event) => setControl(event.target.checked ? 'open' : 'host')}
        />
      ) : null}
    </section>
  );
}

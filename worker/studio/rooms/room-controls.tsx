// What moves the room: it asks the room, and the picture follows like everybody's.
import { type RefObject, useEffect, useState } from 'react';
import { Button } from '../ui/button.tsx';
import type { RoomClient, RoomSight } from './room-client.ts';

const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2];
const LOOK_MS = 250;

type Props = {
  place: RefObject<HTMLVideoElement | null>;
  client: RoomClient | undefined;
  sight: RoomSight;
  mayControl: boolean;
  onSound(): void;
};

export function RoomControls({ place, client, sight, mayControl, onSound }: Props) {
  const [at, setAt] = useState({ seconds: 0, duration: 0, isMuted: false });
  const [wanted, setWanted] = useState<number>();
  useEffect(() => {
    const look = () => {
      const video = place.current;
      if (!video) return;
      const duration = Number.isFinite(video.duration) ? video.duration : 0;
      setAt({ seconds: video.currentTime, duration, isMuted: video.muted });
    };
    const timer = setInterval(look, LOOK_MS);
    return () => clearInterval(timer);
  }, [place]);
  const state = sight.state;
  const isOpen = sight.status === 'open';
  const isPaused = state?.paused ?? true;
  const shown = wanted ?? at.seconds;
  const seek = () => {
    if (wanted === undefined) return;
    client?.say({ type: 'seek', positionSeconds: wanted });
    setWanted(undefined);
  };
  const toggleSound = () => {
    const video = place.current;
    if (!video) return;
    video.muted = !video.muted;
    if (!video.muted) onSound();
  };
  return (
    <div className="room-controls">
      <Button
        tone="main"
        disabled={!isOpen || !mayControl}
        onClick={() => client?.say({ type: isPaused ? 'play' : 'pause' })}
      >
        {isPaused ? 'Play' : 'Pause'}
      </Button>
      <input
        type="range"
        className="room-scrub"
        aria-label="Position"
        aria-valuetext={`${clock(shown)} of ${clock(at.duration)}`}
        min={0}
        max={Math.max(1, at.duration)}
        step={0.1}
        value={shown}
        disabled={!isOpen || !mayControl}
        onChange={(event) => setWanted(Number(event.target.value))}
        onPointerUp={seek}
        onKeyUp={seek}
        onBlur={seek}
      />
      <span className="numbers small quiet">
        {clock(shown)} / {clock(at.duration)}
      </span>
      <select
        className="input room-rate"
        aria-label="Speed"
        value={String(state?.rate ?? 1)}
        disabled={!isOpen || !mayControl}
        onChange={(event) => client?.say({ type: 'rate', rate: Number(event.target.value) })}
      >
        {RATES.map((rate) => (
          <option key={rate} value={rate}>
            {rate}×
          </option>
        ))}
      </select>
      <Button onClick={toggleSound} aria-pressed={at.isMuted}>
        {at.isMuted ? 'Sound on' : 'Sound off'}
      </Button>
    </div>
  );
}

function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number: number) => String(number).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

// The picture of a room: a play session of one's own, over HLS or the media stream, led by the room.
import { type RefObject, useEffect, useRef, useState } from 'react';
import type { PlayAnswer } from '../../../shared/play-api.ts';
import { api, asFailure } from '../api.ts';
import { deviceId } from '../video/device-id.ts';
import { type Engine, type EngineNews, type Quality, startEngine } from '../video/player/engine.ts';
import { keepTokens } from '../video/player/tokens.ts';
import { followRoom } from './follower.ts';
import type { RoomClient } from './room-client.ts';
import { playStream } from './stream-client.ts';

export type Delivery = 'hls' | 'stream';

export type RoomPlayer = {
  driftMs: number | undefined;
  failure: string | undefined;
  isMuted: boolean;
  qualities: readonly (readonly [string, string])[];
  quality: string;
  choose(id: string): void;
  unmute(): void;
};

const AUTOMATIC = ['', 'Automatic'] as const;

export function useRoomPlayer(
  place: RefObject<HTMLVideoElement | null>,
  client: RoomClient | undefined,
  videoId: string,
  delivery: Delivery,
): RoomPlayer {
  const [driftMs, setDriftMs] = useState<number>();
  const [failure, setFailure] = useState<string>();
  const [isMuted, setIsMuted] = useState(false);
  const [qualities, setQualities] = useState<readonly Quality[]>([]);
  const [quality, setQuality] = useState('');
  const engine = useRef<Engine>(undefined);
  useEffect(() => {
    const video = place.current;
    if (!video || !client) return;
    let isGone = false;
    let end = () => {};
    setFailure(undefined);
    const news: EngineNews = {
      qualities: (all) => setQualities(all),
      quality: (id, isAutomatic) => setQuality(isAutomatic ? '' : id),
      sounds: () => {},
      failed: setFailure,
    };
    const begin = async () => {
      const path = `/v1/videos/${encodeURIComponent(videoId)}/play`;
      const session = await api<PlayAnswer>('POST', path, { deviceId: deviceId() });
      const renew = (id: string) =>
        api<PlayAnswer>('POST', `/v1/sessions/${encodeURIComponent(id)}/renew`, {});
      if (isGone) return;
      const tokens = keepTokens(session, { renew });
      const atSeconds = client.targetSeconds() ?? 0;
      const start = { video, tokens, news, videoId, atSeconds };
      const started = delivery === 'stream' ? playStream(start) : await startEngine(start);
      const follower = followRoom(video, client, { drift: setDriftMs, muted: () => setIsMuted(true) });
      engine.current = started;
      end = () => {
        follower.stop();
        tokens.stop();
        started.destroy();
      };
      if (isGone) end();
    };
    begin().catch((error) => {
      if (!isGone) setFailure(asFailure(error).detail);
    });
    return () => {
      isGone = true;
      engine.current = undefined;
      end();
    };
  }, [place, client, videoId, delivery]);
  const listed = qualities.map(({ id, height }) => [id, `${height}p`] as const);
  return {
    ...{ driftMs, failure, isMuted, quality },
    // Over the stream it is the viewer who chooses.
    qualities: delivery === 'stream' ? listed : [AUTOMATIC, ...listed],
    choose: (id) => engine.current?.chooseQuality(id === '' ? undefined : id),
    unmute: () => setIsMuted(false),
  };
}

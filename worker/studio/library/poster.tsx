// A video's poster, fetched when it comes into view: the route wants the token, which an <img> cannot send.
import { useEffect, useRef, useState } from 'react';
import type { Video } from '../../../shared/api.ts';
import { Icon } from '../ui/icons.tsx';
import { posterOf } from './poster-store.ts';

export function Poster({ video }: { video: Video }) {
  const frame = useRef<HTMLDivElement>(null);
  const [src, setSrc] = useState<string>();
  // Only what is published has one, and only what has pictures.
  const hasPoster = video.state === 'ready' && video.width !== undefined;
  const version = video.readyAt ?? '';
  useEffect(() => {
    const element = frame.current;
    if (!hasPoster || !element) return;
    let isGone = false;
    const observer = new IntersectionObserver(
      async ([entry]) => {
        if (!entry?.isIntersecting) return;
        observer.disconnect();
        const url = await posterOf(video.id, version);
        if (!isGone) setSrc(url);
      },
      { rootMargin: '300px' },
    );
    observer.observe(element);
    return () => {
      isGone = true;
      observer.disconnect();
    };
  }, [hasPoster, video.id, version]);
  return (
    <div className="poster" ref={frame} data-state={video.state}>
      {src ? <img src={src} alt="" /> : <Icon name="film" />}
    </div>
  );
}

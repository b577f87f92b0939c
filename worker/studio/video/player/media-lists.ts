// The lists of qualities and sounds that media-chrome's menus look for on a media element, kept by an engine.
import type { Engine, EngineNews, Quality, Sound } from './engine.ts';

/** An array with events: the least that is asked of such lists. */
class EventedList<T> extends Array<T> {
  readonly #target = new EventTarget();

  addEventListener(type: string, listener: EventListener): void {
    this.#target.addEventListener(type, listener);
  }

  removeEventListener(type: string, listener: EventListener): void {
    this.#target.removeEventListener(type, listener);
  }

  replace(items: T[], type: string): void {
    this.length = 0;
    this.push(...items);
    this.tell(type);
  }

  tell(type: string): void {
    this.#target.dispatchEvent(new Event(type));
  }
}

class QualityList extends EventedList<Quality> {
  onChoice: (id: string | undefined) => void = () => {};
  #selected = -1;

  /** -1 while the engine chooses. */
  get selectedIndex(): number {
    return this.#selected;
  }

  set selectedIndex(index: number) {
    this.#selected = index;
    this.onChoice(this[index]?.id);
    this.tell('change');
  }
}

type ListedSound = Sound & { kind: string; enabled: boolean };

export type MediaLists = {
  /** Puts an engine behind the lists; what it plays is told through {@link MediaLists.news}. */
  serve(engine: Engine): void;
  news: Pick<EngineNews, 'qualities' | 'sounds'>;
};

/** To be called before media-chrome sees the element. */
export function giveLists(video: HTMLVideoElement): MediaLists {
  const qualities = new QualityList();
  const sounds = new EventedList<ListedSound>();
  let engine: Engine | undefined;
  let lastSaid = '';
  qualities.onChoice = (id) => engine?.chooseQuality(id);
  Object.defineProperty(video, 'videoRenditions', { value: qualities, configurable: true });
  // Safari has a list of its own, which knows nothing of what hls.js plays.
  Object.defineProperty(video, 'audioTracks', { value: sounds, configurable: true });
  return {
    serve: (next) => {
      engine = next;
    },
    news: {
      qualities: (all) => qualities.replace(all, 'addrendition'),
      sounds: (all, playing) => {
        // Said once: Shaka listens to the list too, and would answer each word of ours with one of its own.
        const said = JSON.stringify([all, playing]);
        if (said === lastSaid) return;
        lastSaid = said;
        const listed = all.map((sound) =>
          listedSound(sound, sound.id === playing, (id) => engine?.chooseSound(id)),
        );
        sounds.replace(listed, 'addtrack');
        sounds.tell('change');
      },
    },
  };
}

/** Its `enabled` is set by the menu, for every sound in turn. */
function listedSound(sound: Sound, isPlaying: boolean, choose: (id: string) => void): ListedSound {
  return {
    ...sound,
    kind: isPlaying ? 'main' : 'alternative',
    get enabled() {
      return isPlaying;
    },
    set enabled(isWanted: boolean) {
      if (isWanted && !isPlaying) choose(sound.id);
    },
  };
}

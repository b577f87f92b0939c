// The two menus beside the watch page's video: quality, and audio where there is more than one track.
import type { Engine, EngineNews } from './video/player/engine.ts';

/** A select and the label around it; the label is hidden while there is nothing to choose. */
export type Menu = { select: HTMLSelectElement; label: HTMLElement };

const AUTO = '';

/** @returns what fills the menu as an engine tells of it */
export function offerQualities(
  menu: Menu,
  engine: () => Engine | undefined,
): Pick<EngineNews, 'qualities' | 'quality'> {
  const auto = new Option('Auto', AUTO);
  const names = new Map<string, string>();
  menu.select.addEventListener('change', () => engine()?.chooseQuality(menu.select.value || undefined));
  return {
    qualities: (all) => {
      const ordered = all
        .map(({ id, width, height }) => ({ id, rung: Math.min(width, height) }))
        .sort((a, b) => b.rung - a.rung);
      for (const { id, rung } of ordered) names.set(id, `${rung}p`);
      menu.select.replaceChildren(auto, ...ordered.map(({ id, rung }) => new Option(`${rung}p`, id)));
      menu.label.hidden = ordered.length === 0;
    },
    quality: (id, isAutomatic) => {
      const name = names.get(id);
      auto.text = isAutomatic && name ? `Auto (${name})` : 'Auto';
    },
  };
}

export function offerSounds(menu: Menu, engine: () => Engine | undefined): Pick<EngineNews, 'sounds'> {
  menu.select.addEventListener('change', () => engine()?.chooseSound(menu.select.value));
  return {
    sounds: (all, playing) => {
      menu.select.replaceChildren(...all.map(({ id, label }) => new Option(label, id)));
      menu.select.value = playing ?? '';
      menu.label.hidden = all.length < 2;
    },
  };
}

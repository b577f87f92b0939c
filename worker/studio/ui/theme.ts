// Light, dark, or as the system says; kept in this browser.
import { useState } from 'react';

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'reelay.theme';
const THEMES: readonly string[] = ['system', 'light', 'dark'] satisfies Theme[];

export function applyTheme(theme: Theme = storedTheme()): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState(storedTheme);
  return [
    theme,
    (next) => {
      localStorage.setItem(KEY, next);
      applyTheme(next);
      setTheme(next);
    },
  ];
}

function storedTheme(): Theme {
  const stored = localStorage.getItem(KEY) ?? '';
  return THEMES.includes(stored) ? (stored as Theme) : 'system';
}

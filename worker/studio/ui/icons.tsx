// Line icons on a grid of 20, drawn here; always beside a text or inside something that has a name.

const PATHS = {
  library: 'M3 4.5h6v5H3zM11 4.5h6v5h-6zM3 11.5h6v4H3zM11 11.5h6v4h-6z',
  upload: 'M10 13V4M6.5 7.5 10 4l3.5 3.5M3.5 13v2.5h13V13',
  jobs: 'M4 5.5h12M4 10h8M4 14.5h10',
  rooms:
    'M7 9a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM2.5 16c.3-2.8 2-4.3 4.5-4.3s4.2 1.5 4.5 4.3M13 9.2a2.2 2.2 0 1 0-.6-4.3M14 11.9c2 .2 3.2 1.6 3.5 4.1',
  metrics: 'M3.5 16.5v-13M3.5 16.5h13M7 13.5v-4M10.5 13.5V6M14 13.5V8.5',
  webhooks:
    'M10 6.5a2 2 0 1 0-1.7-1L5.5 11M10 6.5l3 5M5 15a2 2 0 1 0 0-4 2 2 0 0 0 0 4zm10 0a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM7 13h6',
  migrations: 'M3.5 6.5h11M11.5 3.5l3 3-3 3M16.5 13.5h-11M8.5 10.5l-3 3 3 3',
  menu: 'M3.5 6h13M3.5 10h13M3.5 14h13',
  close: 'M5 5l10 10M15 5 5 15',
  system: 'M3 4.5h14v9H3zM7.5 16.5h5',
  light:
    'M10 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM10 2.5v2M10 15.5v2M2.5 10h2M15.5 10h2M4.7 4.7l1.4 1.4M13.9 13.9l1.4 1.4M15.3 4.7l-1.4 1.4M6.1 13.9l-1.4 1.4',
  dark: 'M16 11.5A6.5 6.5 0 0 1 8.5 4a6.5 6.5 0 1 0 7.5 7.5z',
  search: 'M9 14a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM12.7 12.7 16.5 16.5',
  film: 'M3 4.5h14v11H3zM6.5 4.5v11M13.5 4.5v11M3 10h14',
  bin: 'M4 6h12M8 6V4h4v2M5.5 6l.7 10h7.6l.7-10',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      viewBox="0 0 20 20"
      width="20"
      height="20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
      <rect width="24" height="24" rx="7" fill="var(--accent-fill)" />
      <path d="M9.5 7.4v9.2l7.4-4.6z" fill="#fff" />
    </svg>
  );
}

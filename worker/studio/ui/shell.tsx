// The frame: navigation, who is signed in, light and dark.
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { pageAt } from '../router.ts';
import { mayUpload, type Session, signOut } from '../session.ts';
import { Button } from './button.tsx';
import { Icon, type IconName, Logo } from './icons.tsx';
import { type Theme, useTheme } from './theme.ts';

type Entry = { path: string; text: string; icon: IconName; isFor?: (session: Session) => boolean };

const isAdmin = ({ role }: Session) => role === 'admin';

const ENTRIES: Entry[] = [
  { path: 'library', text: 'Library', icon: 'library' },
  { path: 'upload', text: 'Upload', icon: 'upload', isFor: mayUpload },
  { path: 'jobs', text: 'Jobs', icon: 'jobs' },
  { path: 'rooms', text: 'Rooms', icon: 'rooms' },
  { path: 'metrics', text: 'Metrics', icon: 'metrics', isFor: isAdmin },
  { path: 'webhooks', text: 'Webhooks', icon: 'webhooks', isFor: isAdmin },
  { path: 'migrations', text: 'Migrations', icon: 'migrations', isFor: mayUpload },
];

export function Shell({
  session,
  path,
  title,
  children,
}: {
  session: Session | undefined;
  path: string;
  title: string;
  children: ReactNode;
}) {
  const [isMenuOpen, setIsMenuOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page is what it waits for
  useEffect(() => {
    document.title = `${title} · Reelay`;
    setIsMenuOpen(false);
    if (!isFirst.current) {
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    isFirst.current = false;
  }, [path, title]);
  if (!session) {
    return (
      <main className="shell-alone" ref={main} tabIndex={-1}>
        {children}
      </main>
    );
  }
  return (
    <div className="shell">
      <button type="button" className="shell-skip" onClick={() => main.current?.focus()}>
        Skip to the page
      </button>
      <header className="shell-side" data-open={isMenuOpen}>
        <div className="shell-brand">
          <a href={pageAt('library')} className="shell-logo" aria-label="Reelay, to the library">
            <Logo /> <span>Reelay</span>
          </a>
          <button
            type="button"
            className="shell-menu"
            aria-expanded={isMenuOpen}
            aria-controls="shell-nav"
            aria-label="Menu"
            onClick={() => setIsMenuOpen(!isMenuOpen)}
          >
            <Icon name={isMenuOpen ? 'close' : 'menu'} />
          </button>
        </div>
        <div className="shell-fold" id="shell-nav">
          <nav aria-label="Studio">
            {ENTRIES.filter(({ isFor }) => !isFor || isFor(session)).map(({ path: to, text, icon }) => (
              <a
                key={to}
                href={pageAt(to)}
                className="shell-link"
                aria-current={isWithin(path, to) ? 'page' : undefined}
              >
                <Icon name={icon} /> {text}
              </a>
            ))}
          </nav>
          <div className="shell-foot">
            <ThemeSwitch />
            <div className="shell-who">
              <div className="shell-name">
                <span title={session.name}>{session.name}</span>
                <span className="quiet small">{session.role}</span>
              </div>
              <Button tone="plain" size="small" onClick={signOut}>
                Sign out
              </Button>
            </div>
          </div>
        </div>
      </header>
      <main className="shell-main" ref={main} tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

/** The head of a page: its name, what it is for, and what can be done. */
export function PageHead({
  title,
  note,
  children,
}: {
  title: ReactNode;
  note?: ReactNode;
  children?: ReactNode;
}) {
  return (
    <div className="page-head">
      <div className="page-title">
        <h1>{title}</h1>
        {note ? <p className="quiet">{note}</p> : null}
      </div>
      {children ? <div className="row">{children}</div> : null}
    </div>
  );
}

function isWithin(path: string, entry: string): boolean {
  const parent = path.split('/')[0];
  return parent === entry || (parent === 'videos' && entry === 'library');
}

const THEMES: [Theme, string, IconName][] = [
  ['system', 'As the system', 'system'],
  ['light', 'Light', 'light'],
  ['dark', 'Dark', 'dark'],
];

function ThemeSwitch() {
  const [theme, setTheme] = useTheme();
  return (
    <fieldset className="theme-switch">
      <legend className="spoken">Colours</legend>
      {THEMES.map(([name, text, icon]) => (
        <label key={name} title={text}>
          <input
            type="radio"
            name="theme"
            className="spoken"
            checked={theme === name}
            onChange={() => setTheme(name)}
          />
          <Icon name={icon} />
          <span className="spoken">{text}</span>
        </label>
      ))}
    </fieldset>
  );
}

import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { takeTokenFromLink } from './session.ts';
import { applyTheme } from './ui/theme.ts';
import './ui/theme.css';
import './ui/pieces.css';
import './ui/shell.css';

applyTheme();
takeTokenFromLink();
// A link that is opened over this page changes the fragment alone.
addEventListener('hashchange', takeTokenFromLink);
createRoot(document.getElementById('studio')!).render(<App />);

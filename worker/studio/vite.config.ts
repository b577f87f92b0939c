import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// Pages are served by the Worker's static assets: hashed files under /assets/, each page under its own name.
export default defineConfig({
  root: here('.'),
  publicDir: here('public'),
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic' } },
  build: {
    outDir: here('dist'),
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    reportCompressedSize: false,
    // What each page loads, for the test that weighs the first one.
    manifest: 'manifest.json',
    // A player is most of a page that plays, and one player is one file.
    chunkSizeWarningLimit: 1024,
    // Chromium, Firefox and Safari have modulepreload; its polyfill would be inline work for nothing.
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { index: here('index.html'), watch: here('watch.html') } },
  },
});

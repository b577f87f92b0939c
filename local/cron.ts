// The Worker's cron trigger: wrangler never fires it by itself.
import { appendFile } from 'node:fs/promises';

const CRON = '* * * * *';

/** Fires every `intervalSeconds`, one tick at a time. @returns a function that ends it after the running tick */
export function startCron(workerUrl: string, intervalSeconds: number, logFile: string): () => Promise<void> {
  const url = new URL('/cdn-cgi/local/scheduled', workerUrl);
  url.searchParams.set('cron', CRON);
  const stopping = new AbortController();
  let running = Promise.resolve();
  const tick = async () => {
    try {
      const response = await fetch(url, { signal: stopping.signal });
      const text = await response.text();
      if (!response.ok || text !== 'ok') await note(logFile, `${response.status} ${text}`);
    } catch (error) {
      if (!stopping.signal.aborted) await note(logFile, String(error));
    }
  };
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    running = tick().finally(() => {
      isBusy = false;
    });
  }, intervalSeconds * 1000);
  return async () => {
    clearInterval(timer);
    stopping.abort();
    await running;
  };
}

function note(logFile: string, text: string): Promise<void> {
  return appendFile(logFile, `${new Date().toISOString()} ${text}\n`);
}

// The studio in Chromium: signed in, with axe at hand.
import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import type { Api } from './api.ts';
import { openPage } from './browser.ts';

/** A page whose session is there from the start. */
export async function openStudio(browser: Browser, api: Api, path = 'library'): Promise<Page> {
  const page = await openPage(browser);
  await page.addInitScript((token) => localStorage.setItem('reelay.token', token), api.token);
  await page.goto(`${api.url}/#/${path}`);
  await page.locator('h1').waitFor();
  return page;
}

const AXE = 'node_modules/axe-core/axe.min.js';
const GRAVE = ['serious', 'critical'];

const TRANSITIONS_DONE = `new Promise(requestAnimationFrame).then(() => Promise.allSettled(
  document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished)))`;

type AxeResults = { violations: { id: string; impact: string; nodes: { target: string[] }[] }[] };

/** Serious and critical violations of what is shown, in light and in dark, as `rule at place`. */
export async function graveViolations(page: Page): Promise<string[]> {
  const found: string[] = [];
  await page.evaluate(await readFile(AXE, 'utf8'));
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    // Colours on their way from one scheme to the other are neither's.
    await page.evaluate(TRANSITIONS_DONE);
    const { violations } = (await page.evaluate('axe.run(document)')) as AxeResults;
    for (const { id, impact, nodes } of violations) {
      if (GRAVE.includes(impact)) found.push(`${colorScheme}: ${id} at ${nodes[0]?.target.join(' ')}`);
    }
  }
  return found;
}

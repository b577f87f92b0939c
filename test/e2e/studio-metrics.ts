import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Stats } from '../../shared/metrics-api.ts';
import type { Api } from '../support/api.ts';
import { sampleValue } from '../support/prometheus.ts';
import { graveViolations, openStudio } from '../support/studio-page.ts';

// The page of metrics beside what the API tells, and what a person without the right gets instead.

export type MetricsStage = { api: Api; browser: Browser };

/** @param stage a stack and a browser that somebody else starts and stops */
export function metricsCases(stage: () => MetricsStage): void {
  describe('the page of metrics', () => {
    let page: Page;

    beforeAll(async () => {
      const { api, browser } = stage();
      page = await openStudio(browser, api, 'sign-in');
    });

    afterAll(async () => {
      await page?.close();
    });

    it('shows in figures and in its table what the API tells', async () => {
      const { api } = stage();
      // A stack that has nothing else to count has this.
      expect((await api.request(`/v1/videos/${crypto.randomUUID()}`)).status).toBe(404);
      const [answer] = await Promise.all([
        page.waitForResponse((response) => response.url().endsWith('/v1/stats')),
        page.goto(`${api.url}/#/metrics`),
      ]);
      const stats = Stats.parse(await answer.json());
      await page.getByRole('heading', { name: 'Busiest routes' }).waitFor();
      const figure = (label: string) =>
        page.locator('.figure', { hasText: label }).locator('dd').textContent();
      expect(await figure('Jobs done')).toBe(stats.jobsProcessed.toLocaleString('en'));
      expect(await figure('Jobs failed')).toBe(stats.jobsFailed.toLocaleString('en'));
      expect(await figure('Server errors')).toBe(stats.serverErrors.toLocaleString('en'));
      // Isolates tell what they have counted every five seconds, and the page asks as often.
      const within = { timeout: 60_000 };
      const routes = page.getByRole('region', { name: 'Busiest routes' });
      await expect.poll(() => routes.locator('tbody tr').count(), within).toBeGreaterThan(0);
      const codes = page.getByRole('region', { name: 'Refusals and failures by code' });
      await expect.poll(() => codes.textContent(), within).toContain('not_found');
      expect(await graveViolations(page)).toEqual([]);
      const text = await (await api.request('/metrics')).text();
      expect(sampleValue(text, 'reelay_http_errors_total', { code: 'not_found' })).toBeGreaterThan(0);
    });

    it('tells a person who is no admin that it is not for them', async () => {
      const { api } = stage();
      const { key } = (await api.call('/v1/api-keys', {
        method: 'POST',
        json: { name: 'Uploads', role: 'uploader' },
      })) as { key: string };
      await page.addInitScript((token) => localStorage.setItem('reelay.token', token), key);
      await page.goto('about:blank');
      await page.goto(`${api.url}/#/metrics`);
      await page.getByRole('heading', { name: 'Metrics are for admins' }).waitFor();
    });
  });
}

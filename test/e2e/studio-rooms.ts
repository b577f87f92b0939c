import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobEnd, uploadFile } from '../support/api.ts';
import { makeClip, makeFolder } from '../support/media.ts';
import {
  enterRoom,
  type RoomStage,
  sampleOf,
  slowDown,
  untilTogether,
  watchApart,
} from '../support/room-pages.ts';
import { graveViolations } from '../support/studio-page.ts';

// Two browsers in one room, one of them on a slow machine; then the same film over the media stream.

const APART_MS = 100;
const TOGETHER_SECONDS = 10;
const SLOW_TIMES = 3;
const FILM_SECONDS = 60;
const LADDER = [{ shortSidePixels: 180, maxBitrateBps: 300_000 }];

/** @param stage a stack and a browser that somebody else starts and stops */
export function roomCases(stage: () => RoomStage): void {
  describe('a room', () => {
    let host: Page;
    let guest: Page;
    let folder: string;

    beforeAll(async () => {
      const { api } = stage();
      folder = await makeFolder('studio-rooms');
      const film = join(folder, 'film.mp4');
      await makeClip(film, { seconds: FILM_SECONDS, size: '320x180', bitrate: '300k' });
      const choices = { title: 'Together', preset: 'ultrafast', ladder: LADDER };
      const { videoId, jobId } = await uploadFile(api, film, 'single', choices);
      await jobEnd(api, jobId);
      host = await enterRoom(stage(), `rooms?video=${videoId}`, 'Grace');
      await host.getByText('None yet').waitFor();
      expect(await graveViolations(host)).toEqual([]);
      await host.getByRole('button', { name: 'Open the room' }).click();
      await host.getByText('You are in the room.').waitFor();
      guest = await enterRoom(stage(), new URL(host.url()).hash.slice(2), 'Ada');
      await guest.getByText('You are in the room.').waitFor();
    });

    afterAll(async () => {
      await host?.context().close();
      await guest?.context().close();
      if (folder) await rm(folder, { recursive: true });
    });

    it('shows its members, and gives its controls to the host', async () => {
      for (const page of [host, guest]) {
        const members = page.getByRole('complementary').locator('.room-member');
        await expect.poll(() => members.allTextContents()).toHaveLength(2);
      }
      expect(await graveViolations(host)).toEqual([]);
      expect(await guest.getByRole('button', { name: 'Play' }).isDisabled()).toBe(true);
      expect(await host.getByRole('button', { name: 'Play' }).isDisabled()).toBe(false);
    });

    it('keeps two browsers within a tenth of a second, one of them slowed down', async () => {
      const slow = await slowDown(guest, SLOW_TIMES);
      await host.getByRole('button', { name: 'Play' }).click();
      await untilTogether(host, guest, APART_MS, 25_000);
      const { apartMs } = await watchApart(host, guest, TOGETHER_SECONDS);
      await slow.send('Emulation.setCPUThrottlingRate', { rate: 1 });
      // A sample that the machine delayed is no drift: most count.
      const sorted = apartMs.toSorted((a, b) => a - b);
      expect(sorted.length).toBeGreaterThan(5);
      expect(sorted[Math.floor(sorted.length * 0.9)]).toBeLessThan(APART_MS);
    }, 60_000);

    it('plays over the media stream at the same moment of the film', async () => {
      await guest.getByLabel('Media comes by').selectOption('stream');
      await expect.poll(async () => (await sampleOf(guest)).isPlaying, { timeout: 15_000 }).toBe(true);
      expect(await guest.locator('video').getAttribute('src')).toMatch(/^blob:/);
      await untilTogether(host, guest, APART_MS);
      await host.getByRole('button', { name: 'Pause' }).click();
      await expect.poll(async () => (await sampleOf(guest)).isPlaying, { timeout: 10_000 }).toBe(false);
      await expect
        .poll(async () => {
          const [one, other] = await Promise.all([sampleOf(host), sampleOf(guest)]);
          return Math.abs(one.seconds - other.seconds) * 1000;
        })
        .toBeLessThan(APART_MS);
    }, 60_000);
  });
}

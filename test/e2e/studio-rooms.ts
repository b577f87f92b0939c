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
  setBack,
  slowDown,
  TOGETHER_MS,
  untilTogether,
} from '../support/room-pages.ts';
import { graveViolations } from '../support/studio-page.ts';

// Two browsers in one room, one of them on a slow machine; then the same film over the media stream. How close they
// stay is measured by `npm run bench -- rooms`.

const APART_MS = 100;
const SLOW_TIMES = 3;
/** Made up by playing faster. */
const BEHIND_SECONDS = 0.3;
/** Made up by a jump. */
const LOST_SECONDS = 8;
const FILM_SECONDS = 150;
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
        await expect.poll(() => members.allTextContents(), { timeout: TOGETHER_MS }).toHaveLength(2);
      }
      expect(await graveViolations(host)).toEqual([]);
      expect(await guest.getByRole('button', { name: 'Play' }).isDisabled()).toBe(true);
      expect(await host.getByRole('button', { name: 'Play' }).isDisabled()).toBe(false);
    });

    it('brings two browsers together, one of them slowed down, and brings back who is behind or lost', async () => {
      const slow = await slowDown(guest, SLOW_TIMES);
      await host.getByRole('button', { name: 'Play' }).click();
      await untilTogether(host, guest, APART_MS);
      for (const seconds of [BEHIND_SECONDS, LOST_SECONDS]) {
        expect(await setBack(host, guest, seconds)).toBeGreaterThan(2 * APART_MS);
        await untilTogether(host, guest, APART_MS);
      }
      await slow.send('Emulation.setCPUThrottlingRate', { rate: 1 });
    });

    it('plays over the media stream at the same moment of the film', async () => {
      await guest.getByLabel('Media comes by').selectOption('stream');
      await expect.poll(async () => (await sampleOf(guest)).isPlaying, { timeout: TOGETHER_MS }).toBe(true);
      expect(await guest.locator('video').getAttribute('src')).toMatch(/^blob:/);
      await untilTogether(host, guest, APART_MS);
      await host.getByRole('button', { name: 'Pause' }).click();
      await expect.poll(async () => (await sampleOf(guest)).isPlaying, { timeout: TOGETHER_MS }).toBe(false);
      await expect
        .poll(
          async () => {
            const [one, other] = await Promise.all([sampleOf(host), sampleOf(guest)]);
            return Math.abs(one.seconds - other.seconds) * 1000;
          },
          { timeout: TOGETHER_MS },
        )
        .toBeLessThan(APART_MS);
    });
  });
}

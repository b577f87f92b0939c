// Where a video may be watched. A video without regions may be watched everywhere.
import { AppError } from '../../shared/errors.ts';

/** @throws AppError `playback_region_refused` */
export function refuseRegion(
  regions: string[],
  country: string | undefined,
  whenUnknown: 'refuse' | 'allow',
): void {
  if (regions.length === 0) return;
  if (country === undefined) {
    if (whenUnknown === 'allow') return;
    throw new AppError('playback_region_refused', {
      detail: 'This video is shown in some countries only, and the country of the viewer is not known.',
    });
  }
  if (!regions.includes(country)) {
    throw new AppError('playback_region_refused', {
      detail: `This video is not shown in the country ${country}.`,
      extra: { country },
    });
  }
}

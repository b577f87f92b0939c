import { describe, expect, it } from 'vitest';
import { BT709, outputColor } from '../../shared/color.ts';

const HD = { width: 1920, height: 1080 };
const SD = { width: 640, height: 360 };

describe('the colour of all rungs', () => {
  it('is what the source says', () => {
    const tags = { colorMatrix: 'smpte170m', colorPrimaries: 'bt470bg', colorTransfer: 'bt709' };
    const said = { matrix: 'smpte170m', primaries: 'bt470bg', transfer: 'bt709' };
    expect(outputColor(tags, HD)).toEqual(said);
    expect(outputColor(tags, SD)).toEqual(said);
    expect(outputColor({ ...tags, colorTransfer: 'bt470bg' }, HD).transfer).toBe('gamma28');
  });

  it('follows the size of the source where it says nothing, or nothing known', () => {
    expect(outputColor({}, HD)).toEqual(BT709);
    expect(outputColor({}, { width: 720, height: 1280 })).toEqual(BT709);
    expect(outputColor({}, { width: 1278, height: 718 }).matrix).toBe('smpte170m');
    expect(outputColor({ colorMatrix: 'gbr', colorPrimaries: 'reserved' }, SD)).toEqual(outputColor({}, SD));
  });

  it('completes a matrix with the primaries and the curve that belong to it', () => {
    expect(outputColor({ colorMatrix: 'bt709' }, SD)).toEqual(BT709);
    expect(outputColor({ colorMatrix: 'bt2020nc' }, HD).primaries).toBe('bt2020');
  });

  it('is BT.709 for HDR, which is mapped to it, and only for HDR', () => {
    const tags = { colorMatrix: 'bt2020nc', colorPrimaries: 'bt2020' };
    expect(outputColor({ ...tags, colorTransfer: 'smpte2084' }, HD)).toEqual(BT709);
    expect(outputColor({ ...tags, colorTransfer: 'arib-std-b67' }, SD)).toEqual(BT709);
    expect(outputColor({ ...tags, colorTransfer: 'bt2020-10' }, HD).matrix).toBe('bt2020nc');
  });
});
